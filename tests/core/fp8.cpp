// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The 8-bit formats: every code, the casts of the references, rounding, saturation.

#include <bit>
#include <cmath>
#include <limits>

#include "core/column.hpp"
#include "golden.hpp"

#include <dsr1/core/fp8.hpp>
#include <dsr1/core/random.hpp>

using namespace dsr1;

namespace {

template <class F>
float value_of(unsigned code) {
  F x;
  x.bits = static_cast<std::uint8_t>(code);
  return static_cast<float>(x);
}

/// The code with the nearest value, ties to the even one; found by looking at all of them.
template <class F>
unsigned nearest(float x) {
  unsigned best = 0;
  double gap = std::numeric_limits<double>::infinity();
  for (unsigned code = 0; code < 128; ++code) {
    const auto v = static_cast<double>(value_of<F>(code));
    if (!std::isfinite(v)) continue;
    const double g = std::abs(v - std::abs(static_cast<double>(x)));
    if (g < gap || (g == gap && code % 2 == 0)) gap = g, best = code;
  }
  return best | (std::signbit(x) ? 0x80u : 0u);
}

bool same(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

}  // namespace

TEST_CASE("fp8: every byte of the published models' E4M3", "[golden]") {
  const std::string path = golden::path("models/formats/golden.safetensors");
  if (path.empty()) return;
  const safetensors file(path);
  const auto value = golden::numbers(file, "fp8.value"), byte = golden::numbers(file, "fp8.byte");
  REQUIRE(value.size() == 256);
  for (std::size_t i = 0; i < 256; ++i)
    REQUIRE(same(value_of<fp8_e4m3>(static_cast<unsigned>(byte[i])), static_cast<float>(value[i])));
}

TEST_CASE("fp8: the casts of the references", "[golden]") {
  const std::string path = golden::path("quant/casts.safetensors");
  if (path.empty()) return;
  const std::string file = whole_file(path);
  const auto e4m3 = column<std::uint32_t>(file, "decode/e4m3fn");
  const auto e5m2 = column<std::uint32_t>(file, "decode/e5m2");
  for (unsigned i = 0; i < 256; ++i) {
    INFO("code " << i);
    REQUIRE(same(value_of<fp8_e4m3>(i), std::bit_cast<float>(e4m3[i])));
    REQUIRE(same(value_of<fp8_e5m2>(i), std::bit_cast<float>(e5m2[i])));
  }
  const auto bits = column<std::uint32_t>(file, "f32_bits");
  const auto to_e4m3 = column<std::uint8_t>(file, "e4m3fn_saturating");
  const auto to_e5m2 = column<std::uint8_t>(file, "e5m2_saturating");
  REQUIRE(bits.size() > 5000);
  for (std::size_t i = 0; i < bits.size(); ++i) {
    const auto x = std::bit_cast<float>(bits[i]);
    INFO("row " << i << ", " << x);
    if (std::isnan(x)) {
      REQUIRE(std::isnan(static_cast<float>(fp8_e4m3(x))));
      REQUIRE(std::isnan(static_cast<float>(fp8_e5m2(x))));
    } else {
      REQUIRE(fp8_e4m3(x).bits == to_e4m3[i]);
      REQUIRE(fp8_e5m2(x).bits == to_e5m2[i]);
    }
  }
}

TEMPLATE_TEST_CASE("fp8: every code comes back, random numbers find the nearest", "", fp8_e4m3,
                   fp8_e5m2) {
  for (unsigned code = 0; code < 256; ++code) {
    const float x = value_of<TestType>(code);
    if (std::isfinite(x)) REQUIRE(TestType(x).bits == code);
    if (std::isnan(x)) REQUIRE(std::isnan(static_cast<float>(TestType(x))));
    REQUIRE(std::signbit(x) == (code >= 128));
  }
  const random_stream r(1, 3);
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    const auto any = std::bit_cast<float>(static_cast<std::uint32_t>(r.bits(i)));
    const float x = i % 2 ? any : static_cast<float>(r.normal(i)) * (i % 4 ? 0.01f : 100.0f);
    if (std::abs(x) < 1e6f) REQUIRE(TestType(x).bits == nearest<TestType>(x));
  }
}

TEST_CASE("fp8: what is too large saturates") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  for (const float x : {449.0f, 464.0f, 480.0f, 1e30f, infinity}) {
    CHECK(fp8_e4m3(x).bits == 0x7e);
    CHECK(fp8_e4m3(-x).bits == 0xfe);
  }
  for (const float x : {60000.0f, 65536.0f, infinity}) {
    CHECK(fp8_e5m2(x).bits == 0x7b);
    CHECK(fp8_e5m2(-x).bits == 0xfb);
  }
  CHECK(fp8_e4m3(0x1p-10f).bits == 0);  // a tie, to even
  CHECK(fp8_e4m3(std::nextafter(0x1p-10f, 1.0f)).bits == 1);
  CHECK(fp8_e4m3(-0.0f).bits == 0x80);
}
