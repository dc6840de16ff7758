// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Codes into floats in registers, 32 columns at a time, for each instruction set.
#pragma once

#include <array>
#include <cstdint>

#include <dsr1/core/fp4.hpp>
#include <dsr1/cpu/simd.hpp>
#include <dsr1/quant/encode.hpp>

namespace dsr1::simd {

/// 4-bit codes lie in pairs: their 32 columns are decoded into the 16 even and the 16 odd ones, and
/// the other operand of a product is brought into that order (`S::load_pairs`) once. Other codings
/// keep the order of the columns.
constexpr bool in_pairs(coding type) { return info_of(type).bits == 4; }

/// The upper and the lower bytes of the bfloat16 of sixteen codes.
struct bf16_bytes {
  std::uint8_t low[16], high[16];
};

/// MXFP4 under every scale: every number of it is a bfloat16.
inline constexpr auto mxfp4_bytes = [] {
  std::array<bf16_bytes, 256> out{};
  for (unsigned s = 0; s < 256; ++s)
    for (unsigned code = 0; code < 16; ++code) {
      const unsigned m = code & 7u, power = m < 2 ? 0 : (m >> 1) - 1;
      const unsigned significand = m < 2 ? m : 2 + (m & 1u);  // in units of 2^(power + s - 128)
      unsigned bits = 0;
      if (m == 1)
        bits = s > 1 ? (s - 1) << 7 : 32u << s;
      else if (m > 1)
        bits = power + s == 0     ? significand << 5
               : power + s >= 255 ? 0x7f80u
                                  : (power + s) << 7 | (significand & 1u) << 6;
      if (s == 255) bits = 0x7fc0;
      bits |= (code & 8u) << 12;
      out[s].low[code] = static_cast<std::uint8_t>(bits & 255u);
      out[s].high[code] = static_cast<std::uint8_t>(bits >> 8);
    }
  return out;
}();

/// The same as floats.
inline constexpr auto mxfp4_values = [] {
  std::array<std::array<float, 16>, 256> out{};
  for (unsigned s = 0; s < 256; ++s)
    for (unsigned code = 0; code < 16; ++code)
      out[s][code] = std::bit_cast<float>(std::uint32_t{mxfp4_bytes[s].high[code]} << 24 |
                                          std::uint32_t{mxfp4_bytes[s].low[code]} << 16);
  return out;
}();

/// The whole numbers of int4.
inline constexpr auto int4_bytes = [] {
  bf16_bytes out{};
  for (int code = 0; code < 16; ++code) {
    const unsigned bits = std::bit_cast<std::uint32_t>(static_cast<float>(code - 8)) >> 16;
    out.low[code] = static_cast<std::uint8_t>(bits & 255u);
    out.high[code] = static_cast<std::uint8_t>(bits >> 8);
  }
  return out;
}();

/// What the product of coded weights needs besides the sixteen lanes of an instruction set:
///     decode<Type>(codes, scale, even, odd)   columns 0..31 of a block; `scale` is where the scale
///     is part, parts                             a lane vector is so many registers sums(a, b, c,
///     d, to)                    to[4] = S::sum of each, by the same tree
template <class Isa>
struct coded_lanes;

template <class T>
struct coded_lanes<generic<T>> {
  using S = generic<T>;
  using vec = typename S::vec;
  using part = vec;
  static constexpr int parts = 1;
  static constexpr int tokens = 1;
  static constexpr int few = 1;
  static constexpr index_t most_direct(coding) { return few; }

  static DSR1_INLINE part zero_part() { return S::set(0); }
  static DSR1_INLINE part load_part(const T* p) { return S::load(p); }
  static DSR1_INLINE part fma_part(const part& a, const part& b, const part& c) {
    return S::fma(a, b, c);
  }
  static DSR1_INLINE vec join(const part* p) { return p[0]; }

  template <coding Type>
  static DSR1_INLINE void decode(const std::byte* codes, const std::byte* scale, vec& even,
                                 vec& odd) {
    T out[32];
    codec_of<Type>::decode(coded_row{codes, scale}, 32, out);
    if constexpr (in_pairs(Type)) {
      S::load_pairs(out, even, odd);
    } else {
      even = S::load(out);
      odd = S::load(out + 16);
    }
  }
  static DSR1_INLINE void sums(const vec& a, const vec& b, const vec& c, const vec& d, T* to) {
    to[0] = S::sum(a);
    to[1] = S::sum(b);
    to[2] = S::sum(c);
    to[3] = S::sum(d);
  }
};

#if defined(__x86_64__)

template <>
struct coded_lanes<avx2> {
  using S = avx2;
  using part = __m256;
  static constexpr int parts = 2;
  static constexpr int tokens = 3;
  static constexpr int few = 1;
  static constexpr index_t most_direct(coding) { return few; }

  DSR1_AVX2 static DSR1_INLINE part zero_part() { return _mm256_setzero_ps(); }
  DSR1_AVX2 static DSR1_INLINE part load_part(const float* p) { return _mm256_loadu_ps(p); }
  DSR1_AVX2 static DSR1_INLINE part fma_part(part a, part b, part c) {
    return _mm256_fmadd_ps(a, b, c);
  }
  DSR1_AVX2 static DSR1_INLINE S::vec join(const part* p) { return {p[0], p[1]}; }

  DSR1_AVX2 static DSR1_INLINE __m128i load16(const std::byte* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  DSR1_AVX2 static DSR1_INLINE __m256 half_scale(const std::byte* p) {
    return _mm256_cvtph_ps(_mm_set1_epi16(codes::load<std::int16_t>(p)));
  }
  DSR1_AVX2 static DSR1_INLINE S::vec scaled(__m256 low, __m256 high, __m256 scale) {
    return {_mm256_mul_ps(low, scale), _mm256_mul_ps(high, scale)};
  }

  /// Sixteen E4M3 as halves of 1/256 their value; NaN becomes NaN.
  DSR1_AVX2 static DSR1_INLINE __m256i e4m3_halves(const std::byte* p) {
    const __m256i wide = _mm256_slli_epi16(_mm256_cvtepi8_epi16(load16(p)), 7);
    const __m256i most = _mm256_set1_epi16(0x3f80);
    const __m256i nan = _mm256_cmpeq_epi16(_mm256_and_si256(wide, most), most);
    return _mm256_or_si256(_mm256_and_si256(wide, _mm256_set1_epi16(static_cast<short>(0xbf80))),
                           nan);
  }
  DSR1_AVX2 static DSR1_INLINE S::vec e4m3(const std::byte* p, __m256 scale) {
    const __m256i h = e4m3_halves(p);
    return scaled(_mm256_cvtph_ps(_mm256_castsi256_si128(h)),
                  _mm256_cvtph_ps(_mm256_extracti128_si256(h, 1)), scale);
  }
  DSR1_AVX2 static DSR1_INLINE S::vec int8(const std::byte* p, __m256 scale) {
    const __m128i b = load16(p);
    return scaled(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(b)),
                  _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(b, 8))), scale);
  }
  DSR1_AVX2 static DSR1_INLINE __m256i twice(const void* p) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(p)));
  }
  /// Looks up both bytes of 32 bfloat16. The pairs of bytes are laid out so that the two halves of
  /// each 32-bit lane are lanes i and i + 8 of the result: a shift and a mask make floats of them.
  DSR1_AVX2 static DSR1_INLINE void nibbles(const std::byte* p, const bf16_bytes& table,
                                            S::vec& even, S::vec& odd) {
    const __m256i places = _mm256_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 0, 8, 1, 9, 2, 10, 3, 11,  //
                                            4, 12, 5, 13, 6, 14, 7, 15, 4, 12, 5, 13, 6, 14, 7, 15);
    const __m256i pairs = _mm256_shuffle_epi8(twice(p), places);
    const __m256i code = _mm256_and_si256(
        _mm256_srlv_epi32(pairs, _mm256_setr_epi32(0, 0, 4, 4, 0, 0, 4, 4)), _mm256_set1_epi8(15));
    const __m256i low = _mm256_shuffle_epi8(twice(table.low), code);
    const __m256i high = _mm256_shuffle_epi8(twice(table.high), code);
    const __m256i e = _mm256_unpacklo_epi8(low, high), o = _mm256_unpackhi_epi8(low, high);
    const __m256i upper = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
    even = {_mm256_castsi256_ps(_mm256_slli_epi32(e, 16)),
            _mm256_castsi256_ps(_mm256_and_si256(e, upper))};
    odd = {_mm256_castsi256_ps(_mm256_slli_epi32(o, 16)),
           _mm256_castsi256_ps(_mm256_and_si256(o, upper))};
  }
  DSR1_AVX2 static DSR1_INLINE S::vec f16(const std::byte* p) {
    return {_mm256_cvtph_ps(load16(p)), _mm256_cvtph_ps(load16(p + 16))};
  }
  DSR1_AVX2 static DSR1_INLINE __m256 upper(__m128i h) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
  }

  template <coding Type>
  DSR1_AVX2 static DSR1_INLINE void decode(const std::byte* p, const std::byte* scale, S::vec& even,
                                           S::vec& odd) {
    if constexpr (Type == coding::mxfp4) {
      nibbles(p, mxfp4_bytes[std::to_integer<std::size_t>(*scale)], even, odd);
    } else if constexpr (Type == coding::int4) {
      nibbles(p, int4_bytes, even, odd);
      const __m256 s = half_scale(scale);
      even = scaled(even.low, even.high, s);
      odd = scaled(odd.low, odd.high, s);
    } else if constexpr (Type == coding::int8) {
      const __m256 s = half_scale(scale);
      even = int8(p, s);
      odd = int8(p + 16, s);
    } else if constexpr (Type == coding::fp8) {
      const __m256 s = _mm256_set1_ps(codes::load<float>(scale) * 256);
      even = e4m3(p, s);
      odd = e4m3(p + 16, s);
    } else if constexpr (Type == coding::f16) {
      even = f16(p);
      odd = f16(p + 32);
    } else if constexpr (Type == coding::bf16) {
      even = {upper(load16(p)), upper(load16(p + 16))};
      odd = {upper(load16(p + 32)), upper(load16(p + 48))};
    } else {
      even = S::load(reinterpret_cast<const float*>(p));
      odd = S::load(reinterpret_cast<const float*>(p + 64));
    }
  }

  DSR1_AVX2 static DSR1_INLINE __m128 quarter(const S::vec& a) {
    const __m256 eight = _mm256_add_ps(a.low, a.high);
    return _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  }
  DSR1_AVX2 static DSR1_INLINE void sums(const S::vec& a, const S::vec& b, const S::vec& c,
                                         const S::vec& d, float* to) {
    const __m128 p = quarter(a), q = quarter(b), r = quarter(c), s = quarter(d);
    const __m128 pq = _mm_add_ps(_mm_movelh_ps(p, q), _mm_movehl_ps(q, p));
    const __m128 rs = _mm_add_ps(_mm_movelh_ps(r, s), _mm_movehl_ps(s, r));
    _mm_storeu_ps(to, _mm_add_ps(_mm_shuffle_ps(pq, rs, 0x88), _mm_shuffle_ps(pq, rs, 0xdd)));
  }
};

template <>
struct coded_lanes<avx512> {
  using S = avx512;
  using part = __m512;
  static constexpr int parts = 1;
  static constexpr int tokens = 4;
  static constexpr int few = 4;
  static constexpr index_t most_direct(coding type) {
    return type == coding::fp8    ? 6
           : type == coding::int4 ? 12
           : type == coding::int8 ? 16
                                  : index_t{1} << 40;
  }

  DSR1_AVX512 static DSR1_INLINE part zero_part() { return _mm512_setzero_ps(); }
  DSR1_AVX512 static DSR1_INLINE part load_part(const float* p) { return _mm512_loadu_ps(p); }
  DSR1_AVX512 static DSR1_INLINE part fma_part(part a, part b, part c) {
    return _mm512_fmadd_ps(a, b, c);
  }
  DSR1_AVX512 static DSR1_INLINE S::vec join(const part* p) { return {p[0]}; }

  // As in avx512: the forms that zero unmasked lanes spare GCC 12 a warning.
  DSR1_AVX512 static DSR1_INLINE __m512 of_halves(__m256i h) {
    return _mm512_maskz_cvtph_ps(S::every, h);
  }
  DSR1_AVX512 static DSR1_INLINE __m256i load32(const std::byte* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  DSR1_AVX512 static DSR1_INLINE __m512 half_scale(const std::byte* p) {
    return of_halves(_mm256_set1_epi16(codes::load<std::int16_t>(p)));
  }
  DSR1_AVX512 static DSR1_INLINE S::vec e4m3(const std::byte* p, __m512 scale) {
    return {_mm512_mul_ps(of_halves(coded_lanes<avx2>::e4m3_halves(p)), scale)};
  }
  DSR1_AVX512 static DSR1_INLINE S::vec int8(const std::byte* p, __m512 scale) {
    const __m512i wide = _mm512_maskz_cvtepi8_epi32(S::every, coded_lanes<avx2>::load16(p));
    return {_mm512_mul_ps(_mm512_maskz_cvtepi32_ps(S::every, wide), scale)};
  }
  DSR1_AVX512 static DSR1_INLINE void nibbles(const std::byte* p, __m512 table, S::vec& even,
                                              S::vec& odd) {
    const __m512i code = _mm512_maskz_cvtepu8_epi32(S::every, coded_lanes<avx2>::load16(p));
    even = {_mm512_maskz_permutexvar_ps(S::every, code, table)};  // looks at four bits only
    odd = {
        _mm512_maskz_permutexvar_ps(S::every, _mm512_maskz_srli_epi32(S::every, code, 4), table)};
  }
  DSR1_AVX512 static DSR1_INLINE S::vec upper(__m256i h) {
    return {_mm512_castsi512_ps(
        _mm512_maskz_slli_epi32(S::every, _mm512_maskz_cvtepu16_epi32(S::every, h), 16))};
  }

  template <coding Type>
  DSR1_AVX512 static DSR1_INLINE void decode(const std::byte* p, const std::byte* scale,
                                             S::vec& even, S::vec& odd) {
    if constexpr (Type == coding::mxfp4) {
      nibbles(p, _mm512_loadu_ps(mxfp4_values[std::to_integer<std::size_t>(*scale)].data()), even,
              odd);
    } else if constexpr (Type == coding::int4) {
      const __m512 table = _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
      nibbles(p, _mm512_mul_ps(table, half_scale(scale)), even, odd);
    } else if constexpr (Type == coding::int8) {
      const __m512 s = half_scale(scale);
      even = int8(p, s);
      odd = int8(p + 16, s);
    } else if constexpr (Type == coding::fp8) {
      const __m512 s = _mm512_set1_ps(codes::load<float>(scale) * 256);
      even = e4m3(p, s);
      odd = e4m3(p + 16, s);
    } else if constexpr (Type == coding::f16) {
      even = {of_halves(load32(p))};
      odd = {of_halves(load32(p + 32))};
    } else if constexpr (Type == coding::bf16) {
      even = upper(load32(p));
      odd = upper(load32(p + 32));
    } else {
      even = {_mm512_loadu_ps(p)};
      odd = {_mm512_loadu_ps(p + 64)};
    }
  }
  DSR1_AVX512 static DSR1_INLINE void sums(const S::vec& a, const S::vec& b, const S::vec& c,
                                           const S::vec& d, float* to) {
    coded_lanes<avx2>::sums(S::halves(a), S::halves(b), S::halves(c), S::halves(d), to);
  }
};

#endif  // __x86_64__

}  // namespace dsr1::simd
