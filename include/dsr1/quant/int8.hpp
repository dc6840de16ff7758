// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Whole numbers of eight bits with a half as scale per 32 columns (the layout of GGUF's Q8_0).
#pragma once

#include <dsr1/quant/codec.hpp>

namespace dsr1 {

/// scale = largest magnitude of the block / 127, rounded to half; code = x / scale, rounded to the
/// nearest. A block of zeros has scale 0.
struct int8_codec {
  static constexpr coding type = coding::int8;
  static constexpr index_t block = 32;
  static constexpr float largest = 65504.0f * 127;

  static void encode(view<const float, 2> rows, std::byte* to, std::byte* scales) {
    const index_t columns = rows.columns(), blocks = ceil_div(columns, block);
    for (index_t r = 0; r < rows.rows(); ++r)
      codes::for_each_block(columns, block, [&](index_t first, index_t count) {
        const float* x = rows.row(r) + first;
        const half scale(codes::largest_of(x, count) / 127);
        codes::store(scales, r * blocks + first / block, scale);
        const auto s = static_cast<float>(scale);
        for (index_t i = 0; i < count; ++i) {
          const float code = s > 0 ? std::clamp(x[i] / s, -127.0f, 127.0f) : 0.0f;
          codes::store(to, r * columns + first + i,
                       static_cast<std::int8_t>(codes::round_even(code)));
        }
      });
  }
  template <class T>
  static void decode(coded_row row, index_t columns, T* out) {
    codes::for_each_block(columns, block, [&](index_t first, index_t count) {
      const auto scale =
          static_cast<T>(static_cast<float>(codes::load<half>(row.scales, first / block)));
      for (index_t c = first; c < first + count; ++c)
        out[c] = static_cast<T>(codes::load<std::int8_t>(row.codes, c)) * scale;
    });
  }
  static bool sound(const std::byte* scale) { return codes::finite_half(scale); }
};

}  // namespace dsr1
