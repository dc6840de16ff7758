// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The 16-bit formats: every code there and back, rounding at the edges, special values.

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/column.hpp"
#include "golden.hpp"

#include <dsr1/core/float16.hpp>
#include <dsr1/core/random.hpp>

using namespace dsr1;

namespace {

template <class F>
F of_bits(std::uint32_t bits) {
  F x;
  x.bits = static_cast<std::uint16_t>(bits);
  return x;
}

constexpr float infinity = std::numeric_limits<float>::infinity();

/// The nearest code to x, found among neighbours by distance in double; ties to the even code.
template <class F>
std::uint16_t nearest(float x, std::uint16_t guess) {
  std::uint16_t best = guess;
  for (const int step : {-1, 1}) {
    const auto other = static_cast<std::uint16_t>(guess + step);
    const auto value = static_cast<double>(static_cast<float>(of_bits<F>(other)));
    if (!std::isfinite(value) || std::signbit(value) != std::signbit(x)) continue;
    const double gap = std::abs(value - static_cast<double>(x));
    const double now = std::abs(static_cast<double>(static_cast<float>(of_bits<F>(best))) -
                                static_cast<double>(x));
    if (gap < now || (gap == now && other % 2 == 0)) best = other;
  }
  return best;
}

}  // namespace

TEST_CASE("float16: the casts of torch", "[golden]") {
  const std::string path = golden::path("quant/casts.safetensors");
  if (path.empty()) return;
  const std::string file = whole_file(path);
  const auto bits = column<std::uint32_t>(file, "f32_bits");
  const auto as_bf16 = column<std::uint16_t>(file, "bf16"),
             as_half = column<std::uint16_t>(file, "fp16");
  REQUIRE(bits.size() > 5000);
  for (std::size_t i = 0; i < bits.size(); ++i) {
    const auto x = std::bit_cast<float>(bits[i]);
    INFO("row " << i << ", " << x);
    if (std::isnan(x)) {
      REQUIRE(std::isnan(static_cast<float>(bf16(x))));
      REQUIRE(std::isnan(static_cast<float>(half(x))));
    } else {
      REQUIRE(bf16(x).bits == as_bf16[i]);
      REQUIRE(half(x).bits == as_half[i]);
    }
  }
}

TEMPLATE_TEST_CASE("float16: all 65536 codes come back from float", "", bf16, half) {
  for (std::uint32_t code = 0; code < 65536; ++code) {
    const auto value = static_cast<float>(of_bits<TestType>(code));
    const TestType back(value);
    if (std::isnan(value))
      REQUIRE(std::isnan(static_cast<float>(back)));
    else
      REQUIRE(back.bits == code);
    REQUIRE(std::signbit(value) == (code >= 0x8000));
  }
}

TEMPLATE_TEST_CASE("float16: a code and the next one are split at the middle, ties to even", "",
                   bf16, half) {
  for (std::uint32_t code = 0; code + 1 < 0x7c00; code += 3) {
    const auto low = static_cast<float>(of_bits<TestType>(code)),
               high = static_cast<float>(of_bits<TestType>(code + 1));
    if (!std::isfinite(high)) break;
    const auto middle =
        static_cast<float>((static_cast<double>(low) + static_cast<double>(high)) / 2);
    REQUIRE(TestType(std::nextafter(middle, low)).bits == code);
    REQUIRE(TestType(std::nextafter(middle, high)).bits == code + 1);
    REQUIRE(TestType(middle).bits == (code % 2 == 0 ? code : code + 1));
    REQUIRE(TestType(-middle).bits == (TestType(middle).bits | 0x8000));
  }
}

TEMPLATE_TEST_CASE("float16: random floats round to the nearest code", "", bf16, half) {
  const random_stream r(1, 2);
  for (std::uint64_t i = 0; i < 200'000; ++i) {
    const auto x = std::bit_cast<float>(static_cast<std::uint32_t>(r.bits(i)));
    const TestType y(x);
    if (std::isnan(x)) {
      REQUIRE(std::isnan(static_cast<float>(y)));
    } else if (std::isfinite(static_cast<float>(y))) {
      REQUIRE(y.bits == nearest<TestType>(x, y.bits));
    }
  }
}

TEST_CASE("float16: bfloat16 has the range of float") {
  CHECK(bf16(1.0f).bits == 0x3f80);
  CHECK(bf16(-2.0f).bits == 0xc000);
  CHECK(bf16(0.0f).bits == 0);
  CHECK(bf16(-0.0f).bits == 0x8000);
  CHECK(bf16(1e-45f).bits == 0);  // the smallest subnormal
  CHECK(bf16(infinity).bits == 0x7f80);
  CHECK(bf16(-infinity).bits == 0xff80);
  CHECK(bf16(std::numeric_limits<float>::max()).bits == 0x7f80);  // beyond the largest: infinity
  CHECK(bf16(3.3895314e38f).bits == 0x7f7f);                      // the largest
  CHECK(bf16().bits == 0);
}

TEST_CASE("float16: half overflows at 65520 and has subnormals down to 2^-24") {
  CHECK(half(1.0f).bits == 0x3c00);
  CHECK(half(-2.0f).bits == 0xc000);
  CHECK(half(-0.0f).bits == 0x8000);
  CHECK(half(65504.0f).bits == 0x7bff);
  CHECK(half(std::nextafter(65520.0f, 0.0f)).bits == 0x7bff);
  CHECK(half(65520.0f).bits == 0x7c00);
  CHECK(half(-1e30f).bits == 0xfc00);
  CHECK(half(infinity).bits == 0x7c00);
  CHECK(half(0x1p-14f).bits == 0x0400);  // the smallest normal number
  CHECK(half(0x1p-24f).bits == 0x0001);  // the smallest subnormal number
  CHECK(half(0x1p-25f).bits == 0x0000);  // half of it: a tie, to even
  CHECK(half(std::nextafter(0x1p-25f, 1.0f)).bits == 0x0001);
  CHECK(half(std::nextafter(0x1p-14f, 0.0f)).bits == 0x0400);  // rounds up into the normal numbers
  CHECK(half(-0x1.8p-24f).bits == 0x8002);                     // 1.5 units: a tie, to even
  CHECK(half(1e-45f).bits == 0);
  CHECK(half().bits == 0);
}

TEST_CASE("float16: NaN stays NaN, quiet and with its sign") {
  for (const std::uint32_t u : {0x7f800001u, 0x7fc00000u, 0x7fffffffu, 0xff800001u, 0xffc12345u}) {
    const auto nan = std::bit_cast<float>(u);
    for (const std::uint16_t sign : {bf16(nan).bits, half(nan).bits})
      CHECK((sign >> 15) == (u >> 31));
    CHECK((bf16(nan).bits & 0x7fc0) == 0x7fc0);
    CHECK((half(nan).bits & 0x7e00) == 0x7e00);
  }
}

TEST_CASE("float16: half agrees with the processor's conversion") {
#if defined(__FLT16_MAX__)
  const random_stream r(2, 2);
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    const auto x = std::bit_cast<float>(static_cast<std::uint32_t>(r.bits(i)));
    if (std::isnan(x)) continue;
    REQUIRE(half(x).bits == std::bit_cast<std::uint16_t>(static_cast<_Float16>(x)));
  }
#else
  WARN("skipped: this compiler has no 16-bit floating-point type");
#endif
}
