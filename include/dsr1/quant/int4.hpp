// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Whole numbers of four bits with a half as scale per 32 columns (as precise as GGUF's Q4_0).
#pragma once

#include <dsr1/quant/codec.hpp>

namespace dsr1 {

/// The number of the largest magnitude gets code 0, which stands for -8: scale = it / -8, rounded
/// to half, so a scale may be negative; code = x / scale + 8, rounded to the nearest in [0, 15]. A
/// block of zeros has scale 0.
struct int4_codec {
  static constexpr coding type = coding::int4;
  static constexpr index_t block = 32;
  static constexpr float largest = 65504.0f * 8;

  static void encode(view<const float, 2> rows, std::byte* to, std::byte* scales) {
    for (index_t r = 0; r < rows.rows(); ++r)
      for (index_t b = 0; b < rows.columns() / block; ++b) {
        const float* x = rows.row(r) + b * block;
        const float most = *std::max_element(
            x, x + block, [](float a, float c) { return std::abs(a) < std::abs(c); });
        const half scale(most / -8 + 0.0f);  // zeros: not minus zero
        codes::store(scales, r * rows.columns() / block + b, scale);
        const auto s = static_cast<float>(scale);
        const auto code = [s](float v) {
          return static_cast<unsigned>(
              s == 0 ? 8.0f : codes::round_even(std::clamp(v / s, -8.0f, 7.0f)) + 8);
        };
        for (index_t i = 0; i < block; i += 2)
          *to++ = static_cast<std::byte>(code(x[i]) | code(x[i + 1]) << 4);
      }
  }
  template <class T>
  static void decode(coded_row row, index_t columns, T* out) {
    for (index_t c = 0; c < columns; c += block) {
      const auto scale =
          static_cast<T>(static_cast<float>(codes::load<half>(row.scales, c / block)));
      for (index_t i = c; i < c + block; i += 2) {
        const auto byte = std::to_integer<int>(row.codes[i / 2]);
        out[i] = static_cast<T>((byte & 15) - 8) * scale;
        out[i + 1] = static_cast<T>((byte >> 4) - 8) * scale;
      }
    }
  }
  static bool sound(const std::byte* scale) { return codes::finite_half(scale); }
};

}  // namespace dsr1
