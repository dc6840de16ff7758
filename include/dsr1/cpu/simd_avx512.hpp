// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Sixteen lanes of float as one AVX-512 register.
#pragma once

#if defined(__x86_64__)

#include <dsr1/cpu/simd_avx2.hpp>

#define DSR1_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))

namespace dsr1::simd {

/// See `generic` for what each function does. Needs AVX-512 F, BW, DQ and VL at run time.
struct avx512 {
  using value = float;
  static constexpr int width = 16;
  static constexpr int tile_rows = 8;
  static constexpr int tile_vectors = 2;

  // The plain forms of some intrinsics start from an undefined register, which GCC 12 reports as
  // used uninitialised; the forms that zero unmasked lanes are the same instructions.
  static constexpr __mmask16 every = 0xffff;
  static constexpr __mmask8 half = 0xff;

  struct vec {
    __m512 all;
  };
  struct mask {
    __mmask16 bits;
  };

  DSR1_AVX512 static DSR1_INLINE vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  DSR1_AVX512 static DSR1_INLINE __mmask16 first_lanes(int n) {
    return static_cast<__mmask16>(n >= 16 ? 0xffff : n <= 0 ? 0 : (1 << n) - 1);
  }
  DSR1_AVX512 static DSR1_INLINE vec load_some(const float* p, int n) {
    return {_mm512_maskz_loadu_ps(first_lanes(n), p)};
  }
  DSR1_AVX512 static DSR1_INLINE void store(float* p, const vec& x) { _mm512_storeu_ps(p, x.all); }
  DSR1_AVX512 static DSR1_INLINE void store_some(float* p, const vec& x, int n) {
    _mm512_mask_storeu_ps(p, first_lanes(n), x.all);
  }
  DSR1_AVX512 static DSR1_INLINE vec set(float x) { return {_mm512_set1_ps(x)}; }
  DSR1_AVX512 static DSR1_INLINE vec broadcast(const float* p) { return {_mm512_set1_ps(*p)}; }
  DSR1_AVX512 static DSR1_INLINE vec add(const vec& a, const vec& b) {
    return {_mm512_add_ps(a.all, b.all)};
  }
  DSR1_AVX512 static DSR1_INLINE vec sub(const vec& a, const vec& b) {
    return {_mm512_sub_ps(a.all, b.all)};
  }
  DSR1_AVX512 static DSR1_INLINE vec mul(const vec& a, const vec& b) {
    return {_mm512_mul_ps(a.all, b.all)};
  }
  DSR1_AVX512 static DSR1_INLINE vec div(const vec& a, const vec& b) {
    return {_mm512_div_ps(a.all, b.all)};
  }
  DSR1_AVX512 static DSR1_INLINE vec fma(const vec& a, const vec& b, const vec& c) {
    return {_mm512_fmadd_ps(a.all, b.all, c.all)};
  }
  DSR1_AVX512 static DSR1_INLINE vec min(const vec& a, const vec& b) {
    return {_mm512_maskz_min_ps(every, b.all, a.all)};
  }
  DSR1_AVX512 static DSR1_INLINE vec max(const vec& a, const vec& b) {
    return {_mm512_maskz_max_ps(every, b.all, a.all)};
  }
  DSR1_AVX512 static DSR1_INLINE vec sqrt(const vec& a) {
    return {_mm512_maskz_sqrt_ps(every, a.all)};
  }
  DSR1_AVX512 static DSR1_INLINE mask less(const vec& a, const vec& b) {
    return {_mm512_cmp_ps_mask(a.all, b.all, _CMP_LT_OQ)};
  }
  DSR1_AVX512 static DSR1_INLINE vec select(const mask& m, const vec& yes, const vec& no) {
    return {_mm512_mask_blend_ps(m.bits, no.all, yes.all)};
  }
  DSR1_AVX512 static DSR1_INLINE avx2::vec halves(const vec& a) {
    return {_mm512_maskz_extractf32x8_ps(half, a.all, 0),
            _mm512_maskz_extractf32x8_ps(half, a.all, 1)};
  }
  DSR1_AVX512 static DSR1_INLINE float sum(const vec& a) { return avx2::sum(halves(a)); }
  DSR1_AVX512 static DSR1_INLINE float largest(const vec& a) { return avx2::largest(halves(a)); }

  /// The same steps as `avx2::exp8`, so the same bits.
  DSR1_AVX512 static DSR1_INLINE vec exp(const vec& a) {
    __m512 x = a.all;
    const __mmask16 normal = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.33654f), _CMP_NLT_UQ);
    x = _mm512_maskz_min_ps(every, _mm512_set1_ps(88.0f), x);
    x = _mm512_maskz_max_ps(every, _mm512_set1_ps(-88.0f), x);
    const __m512 n =
        _mm512_maskz_roundscale_ps(every, _mm512_mul_ps(x, _mm512_set1_ps(1.44269502f)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 r = _mm512_fmadd_ps(n, _mm512_set1_ps(-0.693359375f), x);
    r = _mm512_fmadd_ps(n, _mm512_set1_ps(2.12194442e-4f), r);
    __m512 p = _mm512_set1_ps(1.3816791e-3f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3686737e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1668344e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.16666521f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.49999994f));
    p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), r);
    p = _mm512_add_ps(p, _mm512_set1_ps(1.0f));
    const __m512i shift = _mm512_maskz_slli_epi32(every, _mm512_maskz_cvtps_epi32(every, n), 23);
    p = _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), shift));
    return {_mm512_maskz_mov_ps(normal, p)};
  }

  DSR1_AVX512 static DSR1_INLINE void load_pairs(const float* p, vec& even, vec& odd) {
    const __m512 a = _mm512_loadu_ps(p), b = _mm512_loadu_ps(p + 16);
    const __m512i e = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    even.all = _mm512_permutex2var_ps(a, e, b);
    odd.all = _mm512_permutex2var_ps(a, _mm512_add_epi32(e, _mm512_set1_epi32(1)), b);
  }
  DSR1_AVX512 static DSR1_INLINE void store_pairs(float* p, const vec& even, const vec& odd) {
    const __m512i i = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    _mm512_storeu_ps(p, _mm512_permutex2var_ps(even.all, i, odd.all));
    _mm512_storeu_ps(p + 16, _mm512_permutex2var_ps(
                                 even.all, _mm512_add_epi32(i, _mm512_set1_epi32(8)), odd.all));
  }
  DSR1_AVX512 static DSR1_INLINE void transpose8(const float* from, index_t from_stride, float* to,
                                                 index_t to_stride) {
    avx2::transpose8(from, from_stride, to, to_stride);
  }
};

}  // namespace dsr1::simd

#endif  // __x86_64__
