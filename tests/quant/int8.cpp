// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Whole numbers of 8 bits: how far a number moves, the scale, zeros, scales beyond half.

#include <cmath>

#include "quant/blocks.hpp"

using namespace dsr1;

TEST_CASE("int8: no number moves by more than half a step and the rounding of the scale") {
  for (const double size : {1e-3, 1.0, 1e4}) {
    const auto x = battery::normals<float>(96, 1, size);
    const auto y = there_and_back<double>(int8_codec{}, x, 96);
    for (std::size_t b = 0; b < 96; b += 32) {
      double most = 0;
      for (std::size_t i = b; i < b + 32; ++i)
        most = std::max(most, std::abs(static_cast<double>(x[i])));
      // int4: a number of the other sign than the largest may stand for 8 and becomes 7.
      const double step = most / (8 == 8 ? 127 : 8);
      for (std::size_t i = b; i < b + 32; ++i)
        REQUIRE(std::abs(y[i] - static_cast<double>(x[i])) <= step * (8 == 8 ? 0.57 : 1.01));
    }
  }
}

TEST_CASE("int8: the scale is the largest magnitude over 127 as a half") {
  CHECK(scale_of<half>(int8_codec{}, block({1, -2})).bits == half(2.0f / 127).bits);
  CHECK(there_and_back(int8_codec{}, block({127, -63, 1}), 32) == block({127, -63, 1}));
  CHECK(there_and_back(int8_codec{}, {127, -3}, 2) == std::vector<float>{127, -3});
  CHECK(scale_of<half>(int8_codec{}, block({})).bits == 0);
  CHECK(there_and_back(int8_codec{}, block({}), 32) == block({}));
  // So small that the half is zero; so coarse that the quotient passes 127; the largest.
  CHECK(there_and_back(int8_codec{}, block({1e-8f}), 32) == block({}));
  CHECK(there_and_back(int8_codec{}, block({0x1.7p-24f * 127}), 32) == block({0x1p-24f * 127}));
  CHECK(there_and_back(int8_codec{}, block({int8_codec::largest}), 32) ==
        block({int8_codec::largest}));
}

TEST_CASE("int8: which scales are sound") {
  const auto sound = [](std::uint16_t s) {
    return int8_codec::sound(reinterpret_cast<std::byte*>(&s));
  };
  CHECK(sound(0));
  CHECK(sound(0xfbff));
  CHECK_FALSE(sound(0x7c00));
  CHECK_FALSE(sound(0xfe01));
}
