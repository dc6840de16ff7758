// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Whole-number products with AVX2: pairs of bytes are multiplied and added in 16 bits, then in 32.
// With 4-bit weights four such sums fit into 16 bits (4 x 2 x 24 x 127 < 2^15); with 8-bit ones a
// single one does, if the sign of the weight moves to the token (2 x 128 x 127 < 2^15).
#pragma once

#include <dsr1/cpu/int8_generic.hpp>

#if defined(__x86_64__)

namespace dsr1::simd {

template <>
struct int8_kernels<avx2> {
  static constexpr int rows = 8;
  static constexpr index_t most_direct = 4;

  template <coding Type>
  DSR1_AVX2 static void round(const float* x, index_t columns, int8_block<float>* to) {
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    const __m256i in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i halves =
        _mm256_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15,  //
                         0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    for (index_t b = 0; b < columns / 32; ++b, x += 32, ++to) {
      __m256 v[4];
      __m256i most = _mm256_setzero_si256();
      for (int i = 0; i < 4; ++i) {
        v[i] = _mm256_loadu_ps(x + 8 * i);
        // Magnitudes have the order of their bits, and NaN is above infinity.
        most = _mm256_max_epi32(most, _mm256_and_si256(_mm256_castps_si256(v[i]), magnitude));
      }
      __m128i four = _mm_max_epi32(_mm256_castsi256_si128(most), _mm256_extracti128_si256(most, 1));
      four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
      four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1));
      const int bits = _mm_cvtsi128_si32(four);
      const float largest = std::bit_cast<float>(bits);
      const bool finite = bits < 0x7f800000, zeros = bits < 0x0d800000;  // 2^-100
      to->scale = !finite ? std::numeric_limits<float>::quiet_NaN()
                  : zeros ? 0.0f
                          : largest * (unit_of(Type) / 127.0f);
      const __m256 inverse = _mm256_set1_ps(127.0f / largest);
      __m256i codes = _mm256_setzero_si256();
      if (finite && !zeros) {
        __m256i n[4];
        for (int i = 0; i < 4; ++i) n[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], inverse));
        codes = _mm256_packs_epi16(_mm256_packs_epi32(n[0], n[1]), _mm256_packs_epi32(n[2], n[3]));
        codes = _mm256_permutevar8x32_epi32(codes, in_order);
        if (in_pairs(Type))
          codes = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(codes, halves), 0xd8);
      }
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to->codes), codes);
      const __m256i sums =
          _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), codes), _mm256_set1_epi16(1));
      __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
      sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
      sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1));
      to->start = -offset_of(Type) * _mm_cvtsi128_si32(sum);
    }
  }

  /// With Rows = 16 into the half of a wider tile; `flip` changes signed numbers into u.
  template <coding Type, int Rows = 8>
  DSR1_AVX2 static void decode(const coded_row* w, index_t blocks, std::uint8_t* tile,
                               float* scales, std::uintptr_t ahead) {
    const __m256i flip = _mm256_set1_epi8(Type == coding::int8 && Rows == 16 ? -128 : 0);
    scale_words<Type> scale;
    for (index_t b = 0; b < blocks; ++b) {
      fetch<Type>(ahead);
      if (b % scale.per_word == 0) scale.load(w, b, blocks);
      _mm256_storeu_ps(scales + b * Rows, scale.next());
      __m256i v[8];
#pragma GCC unroll 8
      for (int r = 0; r < 8; ++r) v[r] = numbers<Type>(w[r].codes + b * block_bytes<Type>);
      transpose(v);
#pragma GCC unroll 8
      for (int j = 0; j < 8; ++j)
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(tile + (b * 8 + j) * 4 * Rows),
                            _mm256_xor_si256(v[j], flip));
    }
  }

  template <coding Type>
  DSR1_AVX2 static void multiply(const std::uint8_t* tile, const float* scales,
                                 int8_tokens<float> x, const float* bias, float* y, index_t y_row,
                                 int count) {
    index_t t = 0;
    for (; t + 4 <= x.rows(); t += 4)
      multiply_some<Type, 4>(tile, scales, x.slice_rows(t, 4), bias, y + t * y_row, y_row, count);
    const index_t left = x.rows() - t;
    const auto rest = x.slice_rows(t, left);
    if (left == 3) multiply_some<Type, 3>(tile, scales, rest, bias, y + t * y_row, y_row, count);
    if (left == 2) multiply_some<Type, 2>(tile, scales, rest, bias, y + t * y_row, y_row, count);
    if (left == 1) multiply_some<Type, 1>(tile, scales, rest, bias, y + t * y_row, y_row, count);
  }

  template <coding Type>
  DSR1_AVX2 static void few(const coded_row* w, int8_tokens<float> x, const float* bias, float* y,
                            index_t y_row, int count, std::uintptr_t ahead) {
    if (x.rows() == 1) return few_of<Type, 1>(w, x, bias, y, y_row, count, ahead);
    if (x.rows() == 2) return few_of<Type, 2>(w, x, bias, y, y_row, count, ahead);
    if (x.rows() == 3) return few_of<Type, 3>(w, x, bias, y, y_row, count, ahead);
    few_of<Type, 4>(w, x, bias, y, y_row, count, ahead);
  }

 private:
  template <coding Type>
  static constexpr index_t block_bytes = 32 * info_of(Type).bits / 8;

  /// The scales of eight rows, four bytes of each at a time.
  template <coding Type>
  struct scale_words {
    static constexpr int per_word = Type == coding::mxfp4 ? 4 : 2;
    __m256i words;

    // Not `words{}`, on which nvcc 13 fails inside.
    DSR1_AVX2 DSR1_INLINE scale_words() : words(_mm256_setzero_si256()) {}

    DSR1_AVX2 DSR1_INLINE void load(const coded_row* w, index_t block, index_t blocks) {
      constexpr std::size_t bytes = 4 / per_word;
      std::uint32_t word[8] = {};
      const index_t left = blocks - block;
      const std::byte* at[8];
      for (int r = 0; r < 8; ++r) at[r] = w[r].scales + block * static_cast<index_t>(bytes);
      if (left >= per_word)
        for (int r = 0; r < 8; ++r) std::memcpy(&word[r], at[r], 4);
      else
        for (int r = 0; r < 8; ++r)
          std::memcpy(&word[r], at[r], static_cast<std::size_t>(left) * bytes);
      words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(word));
    }
    DSR1_AVX2 DSR1_INLINE __m256 next() {
      if constexpr (Type == coding::mxfp4) {
        __m256i bits = _mm256_slli_epi32(_mm256_and_si256(words, _mm256_set1_epi32(255)), 23);
        words = _mm256_srli_epi32(words, 8);
        bits = _mm256_max_epi32(bits, _mm256_set1_epi32(0x00400000));  // 2^-127
        const __m256i nan = _mm256_cmpeq_epi32(bits, _mm256_set1_epi32(0x7f800000));
        return _mm256_castsi256_ps(_mm256_or_si256(bits, nan));
      } else {
        const __m256i h = _mm256_and_si256(words, _mm256_set1_epi32(0xffff));
        words = _mm256_srli_epi32(words, 16);
        return _mm256_cvtph_ps(
            _mm_packus_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1)));
      }
    }
  };

  /// u of 32 columns, the even ones first; of 8 bits u - 128 in order.
  template <coding Type>
  DSR1_AVX2 static DSR1_INLINE __m256i numbers(const std::byte* codes) {
    if constexpr (Type == coding::int8)
      return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
    const __m256i both = coded_lanes<avx2>::twice(codes);
    const __m256i code = _mm256_and_si256(
        _mm256_srlv_epi32(both, _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4)), _mm256_set1_epi8(15));
    if constexpr (Type == coding::int4) return code;
    return _mm256_shuffle_epi8(coded_lanes<avx2>::twice(whole_numbers<Type>.data()), code);
  }

  /// v[j] = the words j of all eight.
  DSR1_AVX2 static DSR1_INLINE void transpose(__m256i (&v)[8]) {
    __m256i s[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
      s[i] = _mm256_unpacklo_epi32(v[i], v[i + 1]);
      s[i + 1] = _mm256_unpackhi_epi32(v[i], v[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
      v[i] = _mm256_unpacklo_epi64(s[i], s[i + 2]);
      v[i + 1] = _mm256_unpackhi_epi64(s[i], s[i + 2]);
      v[i + 2] = _mm256_unpacklo_epi64(s[i + 1], s[i + 3]);
      v[i + 3] = _mm256_unpackhi_epi64(s[i + 1], s[i + 3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m256i low = v[i], high = v[i + 4];
      v[i] = _mm256_permute2x128_si256(low, high, 0x20);
      v[i + 4] = _mm256_permute2x128_si256(low, high, 0x31);
    }
  }

  /// The codes of a block of eight rows.
  template <coding Type>
  DSR1_AVX2 static DSR1_INLINE void fetch(std::uintptr_t& ahead) {
#pragma GCC unroll 4
    for (index_t line = 0; line < 8 * block_bytes<Type>; line += 64, ahead += 64)
      __builtin_prefetch(reinterpret_cast<const void*>(ahead));
  }

  DSR1_AVX2 static DSR1_INLINE __m256i broadcast(const std::int8_t* p) {
    std::int32_t word;
    std::memcpy(&word, p, 4);
    return _mm256_set1_epi32(word);
  }

  template <coding Type>
  DSR1_AVX2 static DSR1_INLINE __m256 add_block(__m256i dot, const int8_block<float>& x,
                                                __m256 scale, __m256 sum) {
    if (Type != coding::int8) dot = _mm256_add_epi32(dot, _mm256_set1_epi32(x.start));
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot),
                           _mm256_mul_ps(scale, _mm256_broadcast_ss(&x.scale)), sum);
  }

  DSR1_AVX2 static DSR1_INLINE void finish(__m256 sum, const float* bias, float* y, int count) {
    if (count == 8) {
      _mm256_storeu_ps(y, bias ? _mm256_add_ps(sum, _mm256_loadu_ps(bias)) : sum);
      return;
    }
    float out[8];
    _mm256_storeu_ps(out, sum);
    for (int r = 0; r < count; ++r) y[r] = bias ? out[r] + bias[r] : out[r];
  }

  /// The dot products of eight rows (lanes) with C tokens, in one block.
  template <coding Type, int C>
  DSR1_AVX2 static DSR1_INLINE void dots(const std::uint8_t* tile, const int8_block<float>* block,
                                         index_t stride, __m256i (&dot)[C]) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i part[C];
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
      const __m256i w = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(tile + j * 32));
      const __m256i u = Type == coding::int8 ? _mm256_abs_epi8(w) : w;
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) {
        __m256i token = broadcast(block[c * stride].codes + 4 * j);
        if (Type == coding::int8) token = _mm256_sign_epi8(token, w);
        const __m256i p = _mm256_maddubs_epi16(u, token);
        const bool first = Type == coding::int8 || j % 4 == 0;
        part[c] = first ? p : _mm256_add_epi16(part[c], p);
        if (Type != coding::int8 && j % 4 != 3) continue;
        const __m256i s = _mm256_madd_epi16(part[c], ones);
        dot[c] = j < 4 && (Type != coding::int8 || j == 0) ? s : _mm256_add_epi32(dot[c], s);
      }
    }
  }

  template <coding Type, int C>
  DSR1_AVX2 static void multiply_some(const std::uint8_t* tile, const float* scales,
                                      int8_tokens<float> x, const float* bias, float* y,
                                      index_t y_row, int count) {
    __m256 sum[C];
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) sum[c] = _mm256_setzero_ps();
    const int8_block<float>* block = x.data;
    for (index_t b = 0; b < x.columns(); ++b, tile += 256, scales += rows, ++block) {
      __m256i dot[C];
      dots<Type>(tile, block, x.stride, dot);
      const __m256 scale = _mm256_loadu_ps(scales);
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c)
        sum[c] = add_block<Type>(dot[c], block[c * x.stride], scale, sum[c]);
    }
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) finish(sum[c], bias, y + c * y_row, count);
  }

  /// Partial sums of two rows side by side: in 32 bits for 8-bit weights, else in 16.
  template <coding Type>
  DSR1_AVX2 static DSR1_INLINE __m256i two_rows(__m256i a, __m256i b, __m256i token) {
    if constexpr (Type == coding::int8) {
      const __m256i ones = _mm256_set1_epi16(1);
      const __m256i p = _mm256_maddubs_epi16(_mm256_abs_epi8(a), _mm256_sign_epi8(token, a));
      const __m256i q = _mm256_maddubs_epi16(_mm256_abs_epi8(b), _mm256_sign_epi8(token, b));
      return _mm256_hadd_epi32(_mm256_madd_epi16(p, ones), _mm256_madd_epi16(q, ones));
    } else {
      return _mm256_hadd_epi16(_mm256_maddubs_epi16(a, token), _mm256_maddubs_epi16(b, token));
    }
  }

  template <coding Type, int C>
  DSR1_AVX2 static void few_of(const coded_row* w, int8_tokens<float> x, const float* bias,
                               float* y, index_t y_row, int count, std::uintptr_t ahead) {
    const __m256i ones = _mm256_set1_epi16(1);
    scale_words<Type> scale;
    __m256 sum[C];
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) sum[c] = _mm256_setzero_ps();
    const int8_block<float>* block = x.data;
    for (index_t b = 0; b < x.columns(); ++b, ++block) {
      if (b % scale.per_word == 0) scale.load(w, b, x.columns());
      fetch<Type>(ahead);
      __m256i four[2][C];  // lane r of each half: a part of the sum of row r
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) {
        __m256i pair[2][C];
#pragma GCC unroll 2
        for (int p = 0; p < 2; ++p) {
          const index_t at = b * block_bytes<Type>;
          const __m256i a = numbers<Type>(w[4 * h + 2 * p].codes + at);
          const __m256i d = numbers<Type>(w[4 * h + 2 * p + 1].codes + at);
#pragma GCC unroll 4
          for (int c = 0; c < C; ++c) {
            const __m256i token =
                _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block[c * x.stride].codes));
            pair[p][c] = two_rows<Type>(a, d, token);
          }
        }
#pragma GCC unroll 4
        for (int c = 0; c < C; ++c)
          four[h][c] = Type == coding::int8
                           ? _mm256_hadd_epi32(pair[0][c], pair[1][c])
                           : _mm256_madd_epi16(_mm256_hadd_epi16(pair[0][c], pair[1][c]), ones);
      }
      const __m256 factor = scale.next();
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) {
        const __m256i dot =
            _mm256_add_epi32(_mm256_permute2x128_si256(four[0][c], four[1][c], 0x20),
                             _mm256_permute2x128_si256(four[0][c], four[1][c], 0x31));
        sum[c] = add_block<Type>(dot, block[c * x.stride], factor, sum[c]);
      }
    }
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) finish(sum[c], bias, y + c * y_row, count);
  }
};

template <>
struct int8_kernels<avx512> : int8_kernels<avx2> {};

}  // namespace dsr1::simd

#endif  // __x86_64__
