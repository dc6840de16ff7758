// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Whole numbers of 4 bits: how far a number moves, the scale, zeros, scales beyond half.

#include <cmath>

#include "quant/blocks.hpp"

using namespace dsr1;

TEST_CASE("int4: no number moves by more than half a step and the rounding of the scale") {
  for (const double size : {1e-3, 1.0, 1e4}) {
    const auto x = battery::normals<float>(96, 1, size);
    const auto y = there_and_back<double>(int4_codec{}, x, 96);
    for (std::size_t b = 0; b < 96; b += 32) {
      double most = 0;
      for (std::size_t i = b; i < b + 32; ++i)
        most = std::max(most, std::abs(static_cast<double>(x[i])));
      // int4: a number of the other sign than the largest may stand for 8 and becomes 7.
      const double step = most / (4 == 8 ? 127 : 8);
      for (std::size_t i = b; i < b + 32; ++i)
        REQUIRE(std::abs(y[i] - static_cast<double>(x[i])) <= step * (4 == 8 ? 0.57 : 1.01));
    }
  }
}

TEST_CASE("int4: the number of the largest magnitude stands at -8, whatever its sign") {
  CHECK(there_and_back(int4_codec{}, block({-8, 7, 1, -3}), 32) == block({-8, 7, 1, -3}));
  CHECK(there_and_back(int4_codec{}, block({8, -7, 1, -3}), 32) == block({8, -7, 1, -3}));
  CHECK(static_cast<float>(scale_of<half>(int4_codec{}, block({-8}))) == 1);
  CHECK(static_cast<float>(scale_of<half>(int4_codec{}, block({8}))) == -1);
  CHECK(there_and_back(int4_codec{}, block({-8, 8}), 32) == block({-8, 7}));
  CHECK(scale_of<half>(int4_codec{}, block({})).bits == 0);
  CHECK(there_and_back(int4_codec{}, block({}), 32) == block({}));
  CHECK(there_and_back(int4_codec{}, block({1e-9f}), 32) == block({}));
  CHECK(there_and_back(int4_codec{}, block({-int4_codec::largest}), 32) ==
        block({-int4_codec::largest}));
}

TEST_CASE("int4: two codes to a byte, the even column in the low half") {
  const auto x = block({-8, 7, 0, 1});
  const auto w = encode(int4_codec{}, view<const float, 2>(x.data(), 1, 32));
  CHECK(w.row(0, 0).codes[0] == std::byte{0xf0});
  CHECK(w.row(0, 0).codes[1] == std::byte{0x98});
}
