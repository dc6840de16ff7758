// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The concept, the codings that are numbers themselves, and blocks.

#include "quant/blocks.hpp"

using namespace dsr1;

static_assert(codec<f32_codec> && codec<f16_codec> && codec<bf16_codec> && codec<fp8_codec> &&
              codec<mxfp4_codec> && codec<int8_codec> && codec<int4_codec>);
static_assert(!codec<int> && !codec<half>);

TEST_CASE("codec: rounding to whole numbers, ties to even") {
  for (const auto& [x, y] : {std::pair{0.5f, 0.0f},
                             {1.5f, 2.0f},
                             {2.5f, 2.0f},
                             {-0.5f, 0.0f},
                             {-1.5f, -2.0f},
                             {126.51f, 127.0f},
                             {-126.49f, -126.0f}})
    CHECK(codes::round_even(x) == y);
}

TEST_CASE("codec: blocks of a row, the last one shorter") {
  std::vector<std::pair<index_t, index_t>> seen;
  codes::for_each_block(70, 32, [&](index_t first, index_t n) { seen.emplace_back(first, n); });
  CHECK(seen == std::vector<std::pair<index_t, index_t>>{{0, 32}, {32, 32}, {64, 6}});
}

TEST_CASE("codec: numbers themselves are rounded and read back, from any address") {
  const std::vector<float> x = {1, -2.5f, 0.1f, 65504, -1e-7f};
  CHECK(there_and_back(f32_codec{}, x, 5) == x);
  const auto h = there_and_back(f16_codec{}, x, 5), b = there_and_back(bf16_codec{}, x, 5);
  for (std::size_t i = 0; i < x.size(); ++i) {
    CHECK(h[i] == static_cast<float>(half(x[i])));
    CHECK(b[i] == static_cast<float>(bf16(x[i])));
  }
}
