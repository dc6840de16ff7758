// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What a codec is: how rows of numbers become codes and scales of one coding, and back.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstring>
#include <limits>

#include <dsr1/core/float16.hpp>
#include <dsr1/tensor/coded.hpp>
#include <dsr1/tensor/view.hpp>

namespace dsr1 {

/// A codec of the coding C::type; it may carry a policy (how scales are chosen).
///     c.encode(rows, codes, scales)   rows [at most block_rows, columns], finite and no larger
///                                     than C::largest; writes their codes and one row of scales
///     C::decode(row, columns, out)    out[columns] from one row, for float and double
///     C::sound(scale)                 whether decoded numbers may be multiplied by the scale there
/// Memory of codes and scales has no alignment.
template <class C>
concept codec = requires(const C c, view<const float, 2> rows, std::byte* to, const std::byte* from,
                         coded_row row, float* f, double* d) {
  { C::type } -> std::convertible_to<coding>;
  { C::largest } -> std::convertible_to<float>;
  c.encode(rows, to, to);
  C::decode(row, index_t{}, f);
  C::decode(row, index_t{}, d);
  { C::sound(from) } -> std::same_as<bool>;
};

namespace codes {

template <class T>
T load(const std::byte* from, index_t i = 0) {
  T x;
  std::memcpy(&x, from + i * static_cast<index_t>(sizeof(T)), sizeof(T));
  return x;
}
template <class T>
void store(std::byte* to, index_t i, T x) {
  std::memcpy(to + i * static_cast<index_t>(sizeof(T)), &x, sizeof(T));
}

/// The nearest whole number, ties to even; for |x| below 2^22.
inline float round_even(float x) { return (x + 0x1.8p23f) - 0x1.8p23f; }

inline float largest_of(const float* x, index_t count) {
  float most = 0;
  for (index_t i = 0; i < count; ++i) most = std::max(most, std::abs(x[i]));
  return most;
}

/// Calls f(first, count) for the blocks of a row.
template <class F>
void for_each_block(index_t columns, index_t block, F&& f) {
  for (index_t i = 0; i < columns; i += block) f(i, std::min(block, columns - i));
}

inline bool finite_half(const std::byte* scale) {
  return std::isfinite(static_cast<float>(load<half>(scale)));
}

}  // namespace codes

/// Codes that are numbers themselves; Number converts from and to float.
template <coding Type, class Number>
struct number_codec {
  static constexpr coding type = Type;
  static constexpr float largest = Type == coding::f16    ? 65504.0f
                                   : Type == coding::bf16 ? 0x1.fep127f
                                                          : std::numeric_limits<float>::max();

  static void encode(view<const float, 2> rows, std::byte* to, std::byte*) {
    for (index_t r = 0; r < rows.rows(); ++r)
      for (index_t c = 0; c < rows.columns(); ++c)
        codes::store(to, r * rows.columns() + c, Number(rows(r, c)));
  }
  template <class T>
  static void decode(coded_row row, index_t columns, T* out) {
    for (index_t c = 0; c < columns; ++c)
      out[c] = static_cast<T>(static_cast<float>(codes::load<Number>(row.codes, c)));
  }
  static bool sound(const std::byte*) { return true; }
};

using f32_codec = number_codec<coding::f32, float>;
using f16_codec = number_codec<coding::f16, half>;
using bf16_codec = number_codec<coding::bf16, bf16>;

}  // namespace dsr1
