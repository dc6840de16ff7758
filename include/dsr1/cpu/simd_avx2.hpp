// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Sixteen lanes of float as two AVX2 registers.
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#include <dsr1/cpu/isa.hpp>
#include <dsr1/tensor/shape.hpp>

#define DSR1_AVX2 __attribute__((target("avx2,fma,f16c")))

namespace dsr1::simd {

/// See `generic` for what each function does. Needs AVX2, FMA and F16C at run time.
struct avx2 {
  using value = float;
  static constexpr int width = 16;
  static constexpr int tile_rows = 6;
  static constexpr int tile_vectors = 1;

  struct vec {
    __m256 low, high;
  };
  struct mask {
    __m256 low, high;
  };

  DSR1_AVX2 static DSR1_INLINE vec load(const float* p) {
    return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
  }
  DSR1_AVX2 static DSR1_INLINE __m256i first_lanes(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  DSR1_AVX2 static DSR1_INLINE vec load_some(const float* p, int n) {
    return {_mm256_maskload_ps(p, first_lanes(n)), _mm256_maskload_ps(p + 8, first_lanes(n - 8))};
  }
  DSR1_AVX2 static DSR1_INLINE void store(float* p, const vec& x) {
    _mm256_storeu_ps(p, x.low);
    _mm256_storeu_ps(p + 8, x.high);
  }
  DSR1_AVX2 static DSR1_INLINE void store_some(float* p, const vec& x, int n) {
    _mm256_maskstore_ps(p, first_lanes(n), x.low);
    _mm256_maskstore_ps(p + 8, first_lanes(n - 8), x.high);
  }
  DSR1_AVX2 static DSR1_INLINE vec set(float x) {
    const __m256 v = _mm256_set1_ps(x);
    return {v, v};
  }
  DSR1_AVX2 static DSR1_INLINE vec broadcast(const float* p) {
    const __m256 v = _mm256_broadcast_ss(p);
    return {v, v};
  }
  DSR1_AVX2 static DSR1_INLINE vec add(const vec& a, const vec& b) {
    return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
  }
  DSR1_AVX2 static DSR1_INLINE vec sub(const vec& a, const vec& b) {
    return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
  }
  DSR1_AVX2 static DSR1_INLINE vec mul(const vec& a, const vec& b) {
    return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
  }
  DSR1_AVX2 static DSR1_INLINE vec div(const vec& a, const vec& b) {
    return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)};
  }
  DSR1_AVX2 static DSR1_INLINE vec fma(const vec& a, const vec& b, const vec& c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
  }
  // The instruction returns its second operand when one is NaN, hence the order.
  DSR1_AVX2 static DSR1_INLINE vec min(const vec& a, const vec& b) {
    return {_mm256_min_ps(b.low, a.low), _mm256_min_ps(b.high, a.high)};
  }
  DSR1_AVX2 static DSR1_INLINE vec max(const vec& a, const vec& b) {
    return {_mm256_max_ps(b.low, a.low), _mm256_max_ps(b.high, a.high)};
  }
  DSR1_AVX2 static DSR1_INLINE vec sqrt(const vec& a) {
    return {_mm256_sqrt_ps(a.low), _mm256_sqrt_ps(a.high)};
  }
  DSR1_AVX2 static DSR1_INLINE mask less(const vec& a, const vec& b) {
    return {_mm256_cmp_ps(a.low, b.low, _CMP_LT_OQ), _mm256_cmp_ps(a.high, b.high, _CMP_LT_OQ)};
  }
  DSR1_AVX2 static DSR1_INLINE vec select(const mask& m, const vec& yes, const vec& no) {
    return {_mm256_blendv_ps(no.low, yes.low, m.low), _mm256_blendv_ps(no.high, yes.high, m.high)};
  }

  DSR1_AVX2 static DSR1_INLINE float sum(const vec& a) {
    const __m256 eight = _mm256_add_ps(a.low, a.high);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(four, _mm_shuffle_ps(four, four, 1)));
  }
  DSR1_AVX2 static DSR1_INLINE float largest(const vec& a) {
    const __m256 eight = _mm256_max_ps(a.low, a.high);
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(four, _mm_shuffle_ps(four, four, 1)));
  }

  /// e^x = 2^n e^r with |r| <= ln 2 / 2 and a polynomial of degree 6 for e^r (own fit; relative
  /// error of the polynomial 3e-9). 0 below the smallest normal number; the argument is capped
  /// at 88, so that no result is infinite; NaN stays NaN.
  DSR1_AVX2 static DSR1_INLINE __m256 exp8(__m256 x) {
    const __m256 zero_below = _mm256_cmp_ps(x, _mm256_set1_ps(-87.33654f), _CMP_LT_OQ);
    x = _mm256_min_ps(_mm256_set1_ps(88.0f), x);
    x = _mm256_max_ps(_mm256_set1_ps(-88.0f), x);
    const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269502f)),
                                     _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 r = _mm256_fmadd_ps(n, _mm256_set1_ps(-0.693359375f), x);
    r = _mm256_fmadd_ps(n, _mm256_set1_ps(2.12194442e-4f), r);
    __m256 p = _mm256_set1_ps(1.3816791e-3f);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(8.3686737e-3f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(4.1668344e-2f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.16666521f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.49999994f));
    p = _mm256_fmadd_ps(p, _mm256_mul_ps(r, r), r);
    p = _mm256_add_ps(p, _mm256_set1_ps(1.0f));
    const __m256i shift = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    p = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), shift));
    return _mm256_andnot_ps(zero_below, p);
  }
  DSR1_AVX2 static DSR1_INLINE vec exp(const vec& x) { return {exp8(x.low), exp8(x.high)}; }

  DSR1_AVX2 static DSR1_INLINE void split8(const float* p, __m256& even, __m256& odd) {
    const __m256 a = _mm256_loadu_ps(p), b = _mm256_loadu_ps(p + 8);
    const __m256 e = _mm256_shuffle_ps(a, b, 0x88), o = _mm256_shuffle_ps(a, b, 0xdd);
    even = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(e), 0xd8));
    odd = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(o), 0xd8));
  }
  DSR1_AVX2 static DSR1_INLINE void join8(float* p, __m256 even, __m256 odd) {
    const __m256 a = _mm256_unpacklo_ps(even, odd), b = _mm256_unpackhi_ps(even, odd);
    _mm256_storeu_ps(p, _mm256_permute2f128_ps(a, b, 0x20));
    _mm256_storeu_ps(p + 8, _mm256_permute2f128_ps(a, b, 0x31));
  }
  DSR1_AVX2 static DSR1_INLINE void load_pairs(const float* p, vec& even, vec& odd) {
    split8(p, even.low, odd.low);
    split8(p + 16, even.high, odd.high);
  }
  DSR1_AVX2 static DSR1_INLINE void store_pairs(float* p, const vec& even, const vec& odd) {
    join8(p, even.low, odd.low);
    join8(p + 16, even.high, odd.high);
  }

  DSR1_AVX2 static DSR1_INLINE void transpose8(const float* from, index_t from_stride, float* to,
                                               index_t to_stride) {
    __m256 r[8], s[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(from + i * from_stride);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      s[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
      s[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      r[4 * i + 0] = _mm256_shuffle_ps(s[4 * i], s[4 * i + 2], 0x44);
      r[4 * i + 1] = _mm256_shuffle_ps(s[4 * i], s[4 * i + 2], 0xee);
      r[4 * i + 2] = _mm256_shuffle_ps(s[4 * i + 1], s[4 * i + 3], 0x44);
      r[4 * i + 3] = _mm256_shuffle_ps(s[4 * i + 1], s[4 * i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      _mm256_storeu_ps(to + i * to_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
      _mm256_storeu_ps(to + (i + 4) * to_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
  }
};

}  // namespace dsr1::simd

#endif  // __x86_64__
