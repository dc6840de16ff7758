// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Products of weights of 4 and 8 bits with tokens of 8 bits, in whole numbers: what they are, and
// the portable twin of the vector instruction sets.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include <dsr1/cpu/coded_lanes.hpp>
#include <dsr1/tensor/view.hpp>

namespace dsr1::simd {

/// The codings whose numbers are (u - offset) unit scale with whole numbers u from 0 to 255.
constexpr bool in_whole_numbers(coding type) {
  return type == coding::mxfp4 || type == coding::int4 || type == coding::int8;
}
constexpr int offset_of(coding type) {
  return type == coding::mxfp4 ? 12 : type == coding::int4 ? 8 : 128;
}
constexpr float unit_of(coding type) { return type == coding::mxfp4 ? 0.5f : 1; }

/// u of the sixteen codes of 4 bits.
template <coding Type>
inline constexpr auto whole_numbers = [] {
  std::array<std::uint8_t, 16> out{};
  for (unsigned code = 0; code < 16; ++code) {
    const unsigned m = code & 7u, twice = m < 4 ? m : m == 7 ? 12 : m == 6 ? 8 : m == 5 ? 6 : 4;
    const unsigned u = Type == coding::int4 ? code : code & 8u ? 12 - twice : 12 + twice;
    out[code] = static_cast<std::uint8_t>(u);
  }
  return out;
}();

/// Thirty-two columns of a token: x = scale code, scale = max |x| / 127. For weights of 4 bits the
/// 16 even columns come before the 16 odd ones (see in_pairs).
template <class T>
struct int8_block {
  std::int8_t codes[32];
  T scale;             ///< times the unit of the weights
  std::int32_t start;  ///< -offset of the weights times the sum of the codes
};

/// Tokens as rows of blocks.
template <class T>
using int8_tokens = view<const int8_block<T>, 2>;

/// Some rows of weights (R = 8 or 16) at a time:
///     y[t, r] = bias[r] + sum over blocks b of (w_scale[r, b] scale[t, b]) dot[t, r, b]
/// where the dot product of a block is a whole number, so exact, and the sum is one chain of fused
/// multiply-adds in ascending order: a result depends on its row and its token only.
///     round<Type>(x, columns, to)               one token
///     decode<Type>(w, blocks, tile, scales, ahead)      u as tile[block, 8, R, 4] and as
///                                                       scales[block, R]
///     multiply<Type>(tile, scales, x, bias, y, y_row, count)   `count` of the rows are kept
///     few<Type>(w, x, bias, y, y_row, count, ahead)     the same without a tile, for 1 ..
///                                                       `most_direct` tokens
/// Two of them ask memory for the codes that lie `ahead`, as many as they read.
/// A block of x with a number that is not finite makes NaN of every y; one in which all magnitudes
/// are below 2^-100 counts as zeros.
template <class Isa>
struct int8_kernels;

template <class T>
struct int8_kernels<generic<T>> {
  static constexpr int rows = 8;
  static constexpr index_t most_direct = 0;

  template <coding Type>
  static void round(const T* x, index_t columns, int8_block<T>* to) {
    for (index_t b = 0; b < columns / 32; ++b, x += 32, ++to) {
      T most = 0;
      bool finite = true;
      for (int i = 0; i < 32; ++i) {
        finite = finite && std::isfinite(x[i]);
        most = std::abs(x[i]) > most ? std::abs(x[i]) : most;
      }
      const bool zeros = !(most >= T(0x1p-100));
      to->scale = !finite ? std::numeric_limits<T>::quiet_NaN()
                  : zeros ? T(0)
                          : most * (T(unit_of(Type)) / T(127));
      const T inverse = zeros || !finite ? T(0) : T(127) / most;
      std::int32_t sum = 0;
      for (int i = 0; i < 32; ++i) {
        const int code = finite ? static_cast<int>(std::nearbyint(x[i] * inverse)) : 0;
        to->codes[in_pairs(Type) ? i / 2 + i % 2 * 16 : i] = static_cast<std::int8_t>(code);
        sum += code;
      }
      to->start = -offset_of(Type) * sum;
    }
  }

  template <coding Type>
  static void decode(const coded_row* w, index_t blocks, std::uint8_t* tile, T* scales,
                     std::uintptr_t) {
    for (index_t b = 0; b < blocks; ++b)
      for (int r = 0; r < rows; ++r) {
        for (int i = 0; i < 32; ++i) {  // in the order of the tokens' codes
          std::uint8_t& u = tile[((b * 8 + i / 4) * rows + r) * 4 + i % 4];
          if constexpr (Type == coding::int8) {
            u = static_cast<std::uint8_t>(codes::load<std::int8_t>(w[r].codes, b * 32 + i) + 128);
          } else {
            const auto byte = std::to_integer<unsigned>(w[r].codes[b * 16 + i % 16]);
            u = whole_numbers<Type>[i < 16 ? byte & 15u : byte >> 4];
          }
        }
        if constexpr (Type == coding::mxfp4)
          scales[b * rows + r] =
              static_cast<T>(static_cast<float>(codes::load<e8m0>(w[r].scales, b)));
        else
          scales[b * rows + r] =
              static_cast<T>(static_cast<float>(codes::load<half>(w[r].scales, b)));
      }
  }

  template <coding>
  static void multiply(const std::uint8_t* tile, const T* scales, int8_tokens<T> x, const T* bias,
                       T* y, index_t y_row, int count) {
    for (index_t t = 0; t < x.rows(); ++t)
      for (int r = 0; r < count; ++r) {
        T sum = 0;
        for (index_t b = 0; b < x.columns(); ++b) {
          const int8_block<T>& block = x(t, b);
          std::int32_t dot = block.start;
          for (int i = 0; i < 32; ++i)
            dot += tile[((b * 8 + i / 4) * rows + r) * 4 + i % 4] * block.codes[i];
          sum += static_cast<T>(dot) * (scales[b * rows + r] * block.scale);
        }
        y[t * y_row + r] = bias ? sum + bias[r] : sum;
      }
  }

  template <coding Type>
  static void few(const coded_row*, int8_tokens<T>, const T*, T*, index_t, int, std::uintptr_t) {}
};

}  // namespace dsr1::simd
