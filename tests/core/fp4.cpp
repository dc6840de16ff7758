// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// E2M1 and E8M0: every code under every scale, rounding at the middles.

#include <cmath>
#include <limits>

#include "core/column.hpp"
#include "golden.hpp"

#include <dsr1/core/fp4.hpp>

using namespace dsr1;

namespace {

fp4_e2m1 fp4(unsigned code) {
  fp4_e2m1 x;
  x.bits = static_cast<std::uint8_t>(code);
  return x;
}
e8m0 scale(unsigned code) {
  e8m0 x;
  x.bits = static_cast<std::uint8_t>(code);
  return x;
}

}  // namespace

TEST_CASE("fp4: every code under every scale of the published models' MXFP4", "[golden]") {
  const std::string path = golden::path("models/formats/golden.safetensors");
  if (path.empty()) return;
  const safetensors file(path);
  const auto blocks = golden::numbers(file, "mxfp4.blocks");
  const auto scales = golden::numbers(file, "mxfp4.scales");
  const auto values = golden::numbers(file, "mxfp4.value64");
  REQUIRE(values.size() == 255 * 32);
  for (std::size_t s = 0; s < 255; ++s)
    for (std::size_t i = 0; i < 32; ++i) {
      const auto byte = static_cast<unsigned>(blocks[s * 16 + i / 2]);
      const auto x = static_cast<double>(static_cast<float>(fp4(i % 2 ? byte >> 4 : byte & 15)));
      const auto y =
          static_cast<double>(static_cast<float>(scale(static_cast<unsigned>(scales[s]))));
      REQUIRE(x * y == values[s * 32 + i]);
    }
}

TEST_CASE("fp4: every E8M0", "[golden]") {
  const std::string path = golden::path("quant/casts.safetensors");
  if (path.empty()) return;
  const auto values = column<double>(whole_file(path), "decode/e8m0");
  for (unsigned s = 0; s < 255; ++s)
    REQUIRE(static_cast<double>(static_cast<float>(scale(s))) == values[s]);
  CHECK(std::isnan(values[255]));
  CHECK(std::isnan(static_cast<float>(scale(255))));
}

TEST_CASE("fp4: a number becomes the nearest code, ties the even one, too large ones the largest") {
  for (unsigned code = 0; code < 16; ++code) {
    const auto x = static_cast<float>(fp4(code));
    CHECK(fp4_e2m1(x).bits == code);
    CHECK(std::signbit(x) == (code >= 8));
  }
  for (unsigned code = 0; code < 7; ++code) {
    const auto low = static_cast<float>(fp4(code)), high = static_cast<float>(fp4(code + 1));
    const float middle = (low + high) / 2;
    CHECK(fp4_e2m1(middle).bits == (code % 2 ? code + 1 : code));
    CHECK(fp4_e2m1(std::nextafter(middle, low)).bits == code);
    CHECK(fp4_e2m1(std::nextafter(middle, high)).bits == code + 1);
    CHECK(fp4_e2m1(-middle).bits == (fp4_e2m1(middle).bits | 8));
  }
  for (const float x : {6.5f, 100.0f, std::numeric_limits<float>::infinity(),
                        std::numeric_limits<float>::quiet_NaN()})
    CHECK(fp4_e2m1(x).bits == 7);
  CHECK(fp4_e2m1(1e-30f).bits == 0);
}

TEST_CASE("fp4: powers of two") {
  CHECK(e8m0().bits == 127);
  CHECK(static_cast<float>(e8m0::power(3)) == 8);
  CHECK(static_cast<float>(e8m0::power(-1)) == 0.5f);
  CHECK(e8m0::power(-200).bits == 0);
  CHECK(e8m0::power(200).bits == 254);
}
