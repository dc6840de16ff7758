// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// FP8 weights with a float scale per 128 x 128 block, as DeepSeek-V3 publishes them.
#pragma once

#include <array>

#include <dsr1/core/fp8.hpp>
#include <dsr1/quant/codec.hpp>

namespace dsr1 {

/// scale = largest magnitude of the block / 448; code = x / scale, rounded to the nearest E4M3.
/// A block of zeros has scale 0. Decoded: code * scale, rounded to float, whatever T is.
struct fp8_codec {
  static constexpr coding type = coding::fp8;
  static constexpr index_t block = 128;
  static constexpr float largest = std::numeric_limits<float>::max();
  static constexpr auto values = [] {
    std::array<float, 256> out{};
    for (unsigned code = 0; code < 256; ++code) {
      fp8_e4m3 x;
      x.bits = static_cast<std::uint8_t>(code);
      out[code] = static_cast<float>(x);
    }
    return out;
  }();

  static void encode(view<const float, 2> rows, std::byte* to, std::byte* scales) {
    const index_t columns = rows.columns();
    codes::for_each_block(columns, block, [&](index_t first, index_t count) {
      float most = 0;
      for (index_t r = 0; r < rows.rows(); ++r)
        most = std::max(most, codes::largest_of(rows.row(r) + first, count));
      const float scale = most / 448;
      codes::store(scales, first / block, scale);
      for (index_t r = 0; r < rows.rows(); ++r)
        for (index_t c = first; c < first + count; ++c)
          codes::store(to, r * columns + c, fp8_e4m3(scale > 0 ? rows(r, c) / scale : 0.0f));
    });
  }
  template <class T>
  static void decode(coded_row row, index_t columns, T* out) {
    codes::for_each_block(columns, block, [&](index_t first, index_t count) {
      const auto scale = codes::load<float>(row.scales, first / block);
      for (index_t c = first; c < first + count; ++c)
        out[c] = static_cast<T>(values[std::to_integer<std::size_t>(row.codes[c])] * scale);
    });
  }
  /// Kernels multiply by 256 times the scale, which must be finite, too.
  static bool sound(const std::byte* scale) {
    return std::isfinite(codes::load<float>(scale) * 256);
  }
};

}  // namespace dsr1
