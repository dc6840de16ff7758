// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// MXFP4: every code under every scale, both rules for scales, order of the halves of a byte.

#include <cmath>
#include <limits>

#include "golden.hpp"
#include "quant/blocks.hpp"

using namespace dsr1;

TEST_CASE("mxfp4: the blocks of the published models", "[golden]") {
  const std::string path = golden::path("models/formats/golden.safetensors");
  if (path.empty()) return;
  const safetensors file(path);
  coded_tensor w{.type = coding::mxfp4, .matrices = 1, .rows = 255, .columns = 32};
  w.parts.push_back(
      {file.at("mxfp4.blocks").bytes.data(), file.at("mxfp4.scales").bytes.data(), 255});
  const auto expected = golden::numbers(file, "mxfp4.value64");
  for (index_t r = 0; r < 255; ++r) {
    double exact[32];
    float single[32];
    unpack(w, 0, r, exact);
    unpack(w, 0, r, single);
    for (std::size_t i = 0; i < 32; ++i) {
      const double value = expected[static_cast<std::size_t>(r) * 32 + i];
      REQUIRE(exact[i] == value);
      REQUIRE(single[i] == static_cast<float>(value));  // infinity where it is too large
    }
  }
}

TEST_CASE("mxfp4: the two rules for the scale") {
  constexpr mxfp4_codec floor{}, ceil{mxfp4_scale::ceil};
  for (const auto& [most, by_floor, by_ceil] : {std::tuple{4.0f, 0, 0},
                                                {6.0f, 0, 0},
                                                {6.0001f, 0, 1},
                                                {7.99f, 0, 1},
                                                {8.0f, 1, 1},
                                                {3.0f, -1, -1},
                                                {3.5f, -1, 0},
                                                {1.0f, -2, -2},
                                                {0.9f, -3, -2},
                                                {1e-45f, -151, -151},
                                                {std::numeric_limits<float>::max(), 125, 126}}) {
    INFO(most);
    CHECK(floor.exponent_for(most) == by_floor);
    CHECK(ceil.exponent_for(most) == by_ceil);
  }
  CHECK(scale_of<e8m0>(floor, block({6.5f})).bits == 127);
  CHECK(scale_of<e8m0>(ceil, block({6.5f})).bits == 128);
  CHECK(there_and_back(floor, block({7.5f, 1}), 32) == block({6, 1}));  // saturates
  CHECK(there_and_back(ceil, block({7.5f, 1}), 32) == block({8, 1}));
}

TEST_CASE("mxfp4: numbers of the format come back, the even column in the low half") {
  const std::vector<float> x = block({6, -6, 0.5f, 0, -4, 3, -1.5f, 2, 1, -0.5f});
  CHECK(there_and_back(mxfp4_codec{}, x, 32) == x);
  const auto w = encode(mxfp4_codec{}, view<const float, 2>(x.data(), 1, 32));
  CHECK(w.row(0, 0).codes[0] == std::byte{0xf7});
  CHECK(w.row(0, 0).codes[1] == std::byte{0x01});
}

TEST_CASE("mxfp4: halfway numbers go to the even code") {
  CHECK(there_and_back(mxfp4_codec{}, block({6, 0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5}), 32) ==
        block({6, 0, 1, 1, 2, 2, 4, 4}));
}

TEST_CASE("mxfp4: zeros, and numbers at the ends of the range") {
  CHECK(there_and_back(mxfp4_codec{}, block({}), 32) == block({}));
  CHECK(scale_of<e8m0>(mxfp4_codec{}, block({})).bits == 0);
  CHECK(there_and_back(mxfp4_codec{}, block({0x1p-127f, -0x1.8p-126f}), 32) ==
        block({0x1p-127f, -0x1.8p-126f}));
  CHECK(there_and_back(mxfp4_codec{}, block({1e-45f}), 32) == block({}));
  CHECK(there_and_back(mxfp4_codec{}, block({0x1.8p127f, -0x1p126f}), 32) ==
        block({0x1.8p127f, -0x1p126f}));
}

TEST_CASE("mxfp4: which scales are sound") {
  for (unsigned s = 0; s < 256; ++s) {
    const auto b = static_cast<std::byte>(s);
    CHECK(mxfp4_codec::sound(&b) == (s != 255));
  }
}
