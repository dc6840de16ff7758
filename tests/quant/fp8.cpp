// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// FP8 with a scale per 128 x 128: partial blocks, zeros, the largest number, tiny ones.

#include <cmath>
#include <limits>

#include "quant/blocks.hpp"

using namespace dsr1;

TEST_CASE("fp8: the largest number of a block is exact, the others within half a step") {
  constexpr index_t rows = 130, columns = 300;
  const auto x = battery::normals<float>(rows * columns, 1, 3);
  const auto w = encode(fp8_codec{}, view<const float, 2>(x.data(), rows, columns));
  std::vector<double> row(columns);
  for (index_t r = 0; r < rows; ++r) {
    unpack(w, 0, r, row.data());
    for (index_t c = 0; c < columns; ++c) {
      double most = 0;  // of the block, partial ones too
      for (index_t i = r / 128 * 128; i < std::min(r / 128 * 128 + 128, rows); ++i)
        for (index_t j = c / 128 * 128; j < std::min(c / 128 * 128 + 128, columns); ++j)
          most = std::max(
              most, static_cast<double>(std::abs(x[static_cast<std::size_t>(i * columns + j)])));
      const double value = x[static_cast<std::size_t>(r * columns + c)];
      const double step = std::max(std::abs(value) / 16, most / 448 / 1024);
      REQUIRE(std::abs(row[static_cast<std::size_t>(c)] - value) <= step * 1.001);
      if (std::abs(value) == most)
        REQUIRE(std::abs(row[static_cast<std::size_t>(c)] - value) <= 1e-6 * most);
    }
  }
}

TEST_CASE("fp8: the scale is the largest magnitude over 448, and nothing for zeros") {
  CHECK(scale_of<float>(fp8_codec{}, {1, -4, 2}) == 4.0f / 448);
  CHECK(scale_of<float>(fp8_codec{}, {0, -0.0f}) == 0);
  CHECK(there_and_back(fp8_codec{}, {0, 0}, 2) == std::vector<float>{0, 0});
  const float tiny = std::numeric_limits<float>::denorm_min();
  CHECK(there_and_back(fp8_codec{}, {tiny, tiny}, 2) == std::vector<float>{0, 0});
  const float big = std::numeric_limits<float>::max();
  CHECK(std::isfinite(there_and_back(fp8_codec{}, {big}, 1)[0]));
}

TEST_CASE("fp8: in double, too, a weight is a float") {
  const auto x = battery::normals<float>(256, 2);
  const auto f = there_and_back<float>(fp8_codec{}, x, 256);
  const auto d = there_and_back<double>(fp8_codec{}, x, 256);
  for (std::size_t i = 0; i < 256; ++i) REQUIRE(d[i] == static_cast<double>(f[i]));
}

TEST_CASE("fp8: which scales are sound") {
  const auto sound = [](float s) { return fp8_codec::sound(reinterpret_cast<std::byte*>(&s)); };
  CHECK(sound(0));
  CHECK(sound(-1));
  CHECK(sound(0x1p119f));
  CHECK_FALSE(sound(0x1p121f));
  CHECK_FALSE(sound(std::numeric_limits<float>::infinity()));
  CHECK_FALSE(sound(std::numeric_limits<float>::quiet_NaN()));
}
