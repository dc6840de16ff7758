// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Whole-number products with AVX-512 VNNI: four products of bytes are added in one instruction.
#pragma once

#include <dsr1/cpu/int8_avx2.hpp>

#if defined(__x86_64__)

#define DSR1_AVX512_VNNI \
  __attribute__((target("avx512vnni,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))

namespace dsr1::simd {

/// AVX-512 of a processor that has VNNI, too.
struct avx512_vnni {};

inline bool has_vnni() {
  static const bool yes = best_isa() == isa::avx512 && __builtin_cpu_supports("avx512vnni");
  return yes;
}

/// Sixteen rows at a time.
template <>
struct int8_kernels<avx512_vnni> {
  using half_as_many = int8_kernels<avx2>;
  static constexpr int rows = 16;
  static constexpr index_t most_direct = half_as_many::most_direct;

  template <coding Type>
  DSR1_AVX2 static void round(const float* x, index_t columns, int8_block<float>* to) {
    half_as_many::round<Type>(x, columns, to);
  }

  template <coding Type>
  DSR1_AVX2 static void decode(const coded_row* w, index_t blocks, std::uint8_t* tile,
                               float* scales, std::uintptr_t ahead) {
    constexpr auto half = static_cast<std::uintptr_t>(8 * 4 * info_of(Type).bits);
    half_as_many::decode<Type, 16>(w, blocks, tile, scales, ahead);
    half_as_many::decode<Type, 16>(w + 8, blocks, tile + 32, scales + 8,
                                   ahead + half * static_cast<std::uintptr_t>(blocks));
  }

  template <coding Type>
  DSR1_AVX512_VNNI static void multiply(const std::uint8_t* tile, const float* scales,
                                        int8_tokens<float> x, const float* bias, float* y,
                                        index_t y_row, int count) {
    index_t t = 0;
    for (; t + most <= x.rows(); t += most)
      multiply_some<most>(tile, scales, x.slice_rows(t, most), bias, y + t * y_row, y_row, count);
    if (t < x.rows())
      multiply_rest<most - 1>(tile, scales, x.slice_rows(t, x.rows() - t), bias, y + t * y_row,
                              y_row, count);
  }

  template <coding Type>
  DSR1_AVX2 static void few(const coded_row* w, int8_tokens<float> x, const float* bias, float* y,
                            index_t y_row, int count, std::uintptr_t ahead) {
    half_as_many::few<Type>(w, x, bias, y, y_row, count < 8 ? count : 8, ahead);
    if (count > 8)
      half_as_many::few<Type>(
          w + 8, x, bias ? bias + 8 : nullptr, y + 8, y_row, count - 8,
          ahead + static_cast<std::uintptr_t>(8 * 4 * info_of(Type).bits * x.columns()));
  }

 private:
  static constexpr int most = 8;  // tokens of a register tile

  template <int C>
  DSR1_AVX512_VNNI static void multiply_rest(const std::uint8_t* tile, const float* scales,
                                             int8_tokens<float> x, const float* bias, float* y,
                                             index_t y_row, int count) {
    if (x.rows() == C) return multiply_some<C>(tile, scales, x, bias, y, y_row, count);
    if constexpr (C > 1) multiply_rest<C - 1>(tile, scales, x, bias, y, y_row, count);
  }

  template <int C>
  DSR1_AVX512_VNNI static void multiply_some(const std::uint8_t* tile, const float* scales,
                                             int8_tokens<float> x, const float* bias, float* y,
                                             index_t y_row, int count) {
    __m512 sum[C];
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) sum[c] = _mm512_setzero_ps();
    const int8_block<float>* block = x.data;
    for (index_t b = 0; b < x.columns(); ++b, tile += 512, scales += rows, ++block) {
      __m512i dot[C];
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) dot[c] = _mm512_set1_epi32(block[c * x.stride].start);
#pragma GCC unroll 8
      for (int j = 0; j < 8; ++j) {
        const __m512i w = _mm512_loadu_si512(tile + j * 64);
#pragma GCC unroll 8
        for (int c = 0; c < C; ++c) {
          std::int32_t word;
          std::memcpy(&word, block[c * x.stride].codes + 4 * j, 4);
          dot[c] = _mm512_dpbusd_epi32(dot[c], w, _mm512_set1_epi32(word));
        }
      }
      const __m512 scale = _mm512_loadu_ps(scales);
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c)
        sum[c] = _mm512_fmadd_ps(_mm512_maskz_cvtepi32_ps(avx512::every, dot[c]),
                                 _mm512_mul_ps(scale, _mm512_set1_ps(block[c * x.stride].scale)),
                                 sum[c]);
    }
    const __mmask16 kept = avx512::first_lanes(count);
#pragma GCC unroll 8
    for (int c = 0; c < C; ++c) {
      if (bias) sum[c] = _mm512_add_ps(sum[c], _mm512_maskz_loadu_ps(kept, bias));
      _mm512_mask_storeu_ps(y + c * y_row, kept, sum[c]);
    }
  }
};

}  // namespace dsr1::simd

#endif  // __x86_64__
