// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// MXFP4 weights: E2M1 with an E8M0 scale per 32 columns, as gpt-oss publishes them.
#pragma once

#include <dsr1/core/fp4.hpp>
#include <dsr1/quant/codec.hpp>

namespace dsr1 {

/// How the exponent of a block with the largest magnitude m is chosen.
enum class mxfp4_scale {
  floor,  ///< 2^(floor(log2 m) - 2), the rule of OCP MX 1.0; numbers above 6 times it become 6
  ceil    ///< 2^ceil(log2(m / 6)), the smallest under which nothing saturates
};

/// code = x / scale, rounded to the nearest E2M1, ties to even. A block of zeros has scale 2^-127.
struct mxfp4_codec {
  static constexpr coding type = coding::mxfp4;
  static constexpr index_t block = 32;
  static constexpr float largest = std::numeric_limits<float>::max();

  mxfp4_scale rule = mxfp4_scale::floor;

  void encode(view<const float, 2> rows, std::byte* to, std::byte* scales) const {
    for (index_t r = 0; r < rows.rows(); ++r)
      for (index_t b = 0; b < rows.columns() / block; ++b) {
        const float* x = rows.row(r) + b * block;
        const int exponent = exponent_for(codes::largest_of(x, block));
        codes::store(scales, r * rows.columns() / block + b, e8m0::power(exponent));
        const auto inverse = static_cast<float>(e8m0::power(-std::max(exponent, -127)));
        for (index_t i = 0; i < block; i += 2) {
          const fp4_e2m1 even(x[i] * inverse), odd(x[i + 1] * inverse);
          *to++ = static_cast<std::byte>(even.bits | odd.bits << 4);
        }
      }
  }
  template <class T>
  static void decode(coded_row row, index_t columns, T* out) {
    for (index_t c = 0; c < columns; c += block) {
      const auto scale =
          static_cast<T>(static_cast<float>(codes::load<e8m0>(row.scales, c / block)));
      T values[16];
      for (unsigned code = 0; code < 16; ++code) {
        fp4_e2m1 x;
        x.bits = static_cast<std::uint8_t>(code);
        values[code] = static_cast<T>(static_cast<float>(x)) * scale;
      }
      for (index_t i = c; i < c + block; i += 2) {
        const auto byte = std::to_integer<unsigned>(row.codes[i / 2]);
        out[i] = values[byte & 15];
        out[i + 1] = values[byte >> 4];
      }
    }
  }
  static bool sound(const std::byte* scale) { return codes::load<e8m0>(scale).bits != 255; }

  int exponent_for(float most) const {
    if (most == 0) return -127;
    const int exponent = std::ilogb(most) - 2;
    const bool saturates = static_cast<double>(most) > std::ldexp(6.0, exponent);
    return exponent + (rule == mxfp4_scale::ceil && saturates);
  }
};

}  // namespace dsr1
