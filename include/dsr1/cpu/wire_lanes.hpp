// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Sixteen lanes of 32-bit words, and narrow codes from and to them, for wire formats.
#pragma once

#include <cstddef>

#include <dsr1/cpu/simd_avx512.hpp>
#include <dsr1/cpu/wire_plain.hpp>

#if defined(__x86_64__)

namespace dsr1::simd {

template <class Isa>
struct wire_lanes;

/// What each function does is said here and the same for AVX-512. Stores and loads of codes touch
/// exactly the bytes of sixteen codes.
template <>
struct wire_lanes<avx2> {
  using vec = avx2::vec;
  struct ints {
    __m256i low, high;
  };

  DSR1_AVX2 static DSR1_INLINE ints set(std::uint32_t x) {
    const __m256i v = _mm256_set1_epi32(static_cast<int>(x));
    return {v, v};
  }
  DSR1_AVX2 static DSR1_INLINE ints bits(const vec& v) {
    return {_mm256_castps_si256(v.low), _mm256_castps_si256(v.high)};
  }
  DSR1_AVX2 static DSR1_INLINE vec floats(const ints& v) {  // the same bits
    return {_mm256_castsi256_ps(v.low), _mm256_castsi256_ps(v.high)};
  }
  DSR1_AVX2 static DSR1_INLINE vec converted(const ints& v) {  // the same values
    return {_mm256_cvtepi32_ps(v.low), _mm256_cvtepi32_ps(v.high)};
  }
#define DSR1_PAIRWISE(name, function)                                    \
  DSR1_AVX2 static DSR1_INLINE ints name(const ints& a, const ints& b) { \
    return {function(a.low, b.low), function(a.high, b.high)};           \
  }
  DSR1_PAIRWISE(add, _mm256_add_epi32)
  DSR1_PAIRWISE(both, _mm256_and_si256)
  DSR1_PAIRWISE(either, _mm256_or_si256)
  DSR1_PAIRWISE(differ, _mm256_xor_si256)
  DSR1_PAIRWISE(smaller, _mm256_min_epi32)  // as signed
  DSR1_PAIRWISE(larger, _mm256_max_epi32)
#undef DSR1_PAIRWISE
  template <int By>
  DSR1_AVX2 static DSR1_INLINE ints left(const ints& a) {
    return {_mm256_slli_epi32(a.low, By), _mm256_slli_epi32(a.high, By)};
  }
  template <int By>
  DSR1_AVX2 static DSR1_INLINE ints right(const ints& a) {  // zeros come in
    return {_mm256_srli_epi32(a.low, By), _mm256_srli_epi32(a.high, By)};
  }
  template <int By>
  DSR1_AVX2 static DSR1_INLINE ints signed_right(const ints& a) {
    return {_mm256_srai_epi32(a.low, By), _mm256_srai_epi32(a.high, By)};
  }
  /// a < b ? yes : no, as signed
  DSR1_AVX2 static DSR1_INLINE ints if_less(const ints& a, const ints& b, const ints& yes,
                                            const ints& no) {
    return {_mm256_blendv_epi8(no.low, yes.low, _mm256_cmpgt_epi32(b.low, a.low)),
            _mm256_blendv_epi8(no.high, yes.high, _mm256_cmpgt_epi32(b.high, a.high))};
  }
  DSR1_AVX2 static DSR1_INLINE ints nearest(const vec& v) {
    return {_mm256_cvtps_epi32(v.low), _mm256_cvtps_epi32(v.high)};
  }
  DSR1_AVX2 static DSR1_INLINE ints floor(const vec& v) {
    return {_mm256_cvttps_epi32(_mm256_floor_ps(v.low)),
            _mm256_cvttps_epi32(_mm256_floor_ps(v.high))};
  }
  DSR1_AVX2 static DSR1_INLINE std::uint32_t largest(const ints& v) {
    const __m256i a = _mm256_max_epi32(v.low, v.high);
    __m128i b = _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    b = _mm_max_epi32(b, _mm_shuffle_epi32(b, 0x4e));
    b = _mm_max_epi32(b, _mm_shuffle_epi32(b, 0xb1));
    return static_cast<std::uint32_t>(_mm_cvtsi128_si32(b));
  }
  DSR1_AVX2 static DSR1_INLINE void settle_lanes(vec& v) {
    __asm__("" : "+x"(v.low), "+x"(v.high));  // as `settle`, which lacks the target
  }

  /// The 64-bit product of every lane with m, as two words.
  DSR1_AVX2 static DSR1_INLINE void multiply(__m256i a, std::uint32_t m, __m256i& high,
                                             __m256i& low) {
    const __m256i by = _mm256_set1_epi32(static_cast<int>(m));
    const __m256i even = _mm256_mul_epu32(a, by),
                  odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), by);
    high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
    low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
  }
  DSR1_AVX2 static DSR1_INLINE void multiply(const ints& a, std::uint32_t m, ints& high,
                                             ints& low) {
    multiply(a.low, m, high.low, low.low);
    multiply(a.high, m, high.high, low.high);
  }
  DSR1_AVX2 static DSR1_INLINE ints numbered(std::uint32_t first) {  // first | lane
    const __m256i v = _mm256_set1_epi32(static_cast<int>(first));
    return {_mm256_or_si256(v, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)),
            _mm256_or_si256(v, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15))};
  }

  /// The low byte of every lane.
  DSR1_AVX2 static DSR1_INLINE __m128i bytes(const ints& v) {
    const __m256i pick =
        _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8, 12,
                         -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    const __m256i a = _mm256_shuffle_epi8(v.low, pick), b = _mm256_shuffle_epi8(v.high, pick);
    const __m128i low =
        _mm_unpacklo_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    const __m128i high =
        _mm_unpacklo_epi32(_mm256_castsi256_si128(b), _mm256_extracti128_si256(b, 1));
    return _mm_unpacklo_epi64(low, high);
  }
  DSR1_AVX2 static DSR1_INLINE void store_bytes(std::byte* p, const ints& v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes(v));
  }
  DSR1_AVX2 static DSR1_INLINE ints load_bytes(const std::byte* p) {
    const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {_mm256_cvtepi8_epi32(b), _mm256_cvtepi8_epi32(_mm_srli_si128(b, 8))};  // signed
  }
  /// Two lanes to a byte, the even one below.
  DSR1_AVX2 static DSR1_INLINE void store_nibbles(std::byte* p, const ints& v) {
    const __m128i b = _mm_and_si128(bytes(v), _mm_set1_epi8(15));
    const __m128i words = _mm_maddubs_epi16(b, _mm_set1_epi16(0x1001));  // even + 16 odd
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
  }
  DSR1_AVX2 static DSR1_INLINE __m128i split_nibbles(const std::byte* p) {  // signed
    const __m128i b = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    const __m128i fifteen = _mm_set1_epi8(15), eight = _mm_set1_epi8(8);
    const __m128i all =
        _mm_unpacklo_epi8(_mm_and_si128(b, fifteen), _mm_and_si128(_mm_srli_epi16(b, 4), fifteen));
    return _mm_sub_epi8(_mm_xor_si128(all, eight), eight);
  }
  DSR1_AVX2 static DSR1_INLINE ints load_nibbles(const std::byte* p) {
    const __m128i s = split_nibbles(p);
    return {_mm256_cvtepi8_epi32(s), _mm256_cvtepi8_epi32(_mm_srli_si128(s, 8))};
  }
  /// The low half of every lane.
  DSR1_AVX2 static DSR1_INLINE void store_halves(std::byte* p, const ints& v) {
    const __m256i packed = _mm256_packus_epi32(v.low, v.high);  // the upper halves are zero
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(packed, 0xd8));
  }
  DSR1_AVX2 static DSR1_INLINE ints load_halves(const std::byte* p) {
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm256_cvtepu16_epi32(_mm256_castsi256_si128(b)),
            _mm256_cvtepu16_epi32(_mm256_extracti128_si256(b, 1))};
  }
};

template <>
struct wire_lanes<avx512> {
  using vec = avx512::vec;
  struct ints {
    __m512i all;
  };
  static constexpr __mmask16 every = 0xffff;

  DSR1_AVX512 static DSR1_INLINE ints set(std::uint32_t x) {
    return {_mm512_set1_epi32(static_cast<int>(x))};
  }
  DSR1_AVX512 static DSR1_INLINE ints bits(const vec& v) { return {_mm512_castps_si512(v.all)}; }
  DSR1_AVX512 static DSR1_INLINE vec floats(const ints& v) { return {_mm512_castsi512_ps(v.all)}; }
  DSR1_AVX512 static DSR1_INLINE vec converted(const ints& v) {
    return {_mm512_maskz_cvtepi32_ps(every, v.all)};
  }
#define DSR1_PAIRWISE(name, function)                                      \
  DSR1_AVX512 static DSR1_INLINE ints name(const ints& a, const ints& b) { \
    return {function(every, a.all, b.all)};                                \
  }
  DSR1_PAIRWISE(add, _mm512_maskz_add_epi32)
  DSR1_PAIRWISE(both, _mm512_maskz_and_epi32)
  DSR1_PAIRWISE(either, _mm512_maskz_or_epi32)
  DSR1_PAIRWISE(differ, _mm512_maskz_xor_epi32)
  DSR1_PAIRWISE(smaller, _mm512_maskz_min_epi32)
  DSR1_PAIRWISE(larger, _mm512_maskz_max_epi32)
#undef DSR1_PAIRWISE
  // The type is named because nvcc 13.0 forgets braces alone in a template.
  template <int By>
  DSR1_AVX512 static DSR1_INLINE ints left(const ints& a) {
    return ints{_mm512_maskz_slli_epi32(every, a.all, By)};
  }
  template <int By>
  DSR1_AVX512 static DSR1_INLINE ints right(const ints& a) {
    return ints{_mm512_maskz_srli_epi32(every, a.all, By)};
  }
  template <int By>
  DSR1_AVX512 static DSR1_INLINE ints signed_right(const ints& a) {
    return ints{_mm512_maskz_srai_epi32(every, a.all, By)};
  }
  DSR1_AVX512 static DSR1_INLINE ints if_less(const ints& a, const ints& b, const ints& yes,
                                              const ints& no) {
    return {_mm512_mask_blend_epi32(_mm512_cmplt_epi32_mask(a.all, b.all), no.all, yes.all)};
  }
  DSR1_AVX512 static DSR1_INLINE ints nearest(const vec& v) {
    return {_mm512_maskz_cvtps_epi32(every, v.all)};
  }
  DSR1_AVX512 static DSR1_INLINE ints floor(const vec& v) {
    return {
        _mm512_maskz_cvt_roundps_epi32(every, v.all, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)};
  }
  DSR1_AVX512 static DSR1_INLINE std::uint32_t largest(const ints& v) {
    return wire_lanes<avx2>::largest({_mm512_maskz_extracti32x8_epi32(0xff, v.all, 0),
                                      _mm512_maskz_extracti32x8_epi32(0xff, v.all, 1)});
  }
  DSR1_AVX512 static DSR1_INLINE void settle_lanes(vec& v) { __asm__("" : "+v"(v.all)); }

  DSR1_AVX512 static DSR1_INLINE void multiply(const ints& a, std::uint32_t m, ints& high,
                                               ints& low) {
    const __m512i by = _mm512_set1_epi32(static_cast<int>(m));
    const __m512i even = _mm512_maskz_mul_epu32(0xff, a.all, by),
                  odd = _mm512_maskz_mul_epu32(0xff, _mm512_maskz_srli_epi64(0xff, a.all, 32), by);
    high.all = _mm512_mask_blend_epi32(0xaaaa, _mm512_maskz_srli_epi64(0xff, even, 32), odd);
    low.all = _mm512_mask_blend_epi32(0xaaaa, even, _mm512_maskz_slli_epi64(0xff, odd, 32));
  }
  DSR1_AVX512 static DSR1_INLINE ints numbered(std::uint32_t first) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return either(set(first), {lane});
  }

  DSR1_AVX512 static DSR1_INLINE __m128i bytes(const ints& v) {
    return _mm512_maskz_cvtepi32_epi8(every, v.all);
  }
  DSR1_AVX512 static DSR1_INLINE void store_bytes(std::byte* p, const ints& v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes(v));
  }
  DSR1_AVX512 static DSR1_INLINE ints load_bytes(const std::byte* p) {
    const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {_mm512_maskz_cvtepi8_epi32(every, b)};
  }
  DSR1_AVX512 static DSR1_INLINE void store_nibbles(std::byte* p, const ints& v) {
    const __m128i b = _mm_and_si128(bytes(v), _mm_set1_epi8(15));
    const __m128i words = _mm_maddubs_epi16(b, _mm_set1_epi16(0x1001));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
  }
  DSR1_AVX512 static DSR1_INLINE ints load_nibbles(const std::byte* p) {
    return {_mm512_maskz_cvtepi8_epi32(every, wire_lanes<avx2>::split_nibbles(p))};
  }
  DSR1_AVX512 static DSR1_INLINE void store_halves(std::byte* p, const ints& v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_maskz_cvtepi32_epi16(every, v.all));
  }
  DSR1_AVX512 static DSR1_INLINE ints load_halves(const std::byte* p) {
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm512_maskz_cvtepu16_epi32(every, b)};
  }
};

}  // namespace dsr1::simd

#endif  // __x86_64__
