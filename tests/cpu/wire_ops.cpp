// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Numbers on the wire on the CPU: the bytes of the specification, whatever computes them.

#include "battery/wire_ops.hpp"
#include "cpu/isa_guard.hpp"

using namespace dsr1;

static_assert(wire_ops<context<cpu>, float> && wire_ops<context<cpu>, double>);

TEST_CASE("cpu wire_ops: the oracle's bytes and bits, for every instruction set") {
  for (const isa which : available_isas()) {
    INFO(name_of(which));
    const isa_guard guard(which);
    context<cpu> ctx({.threads = 2});
    battery::wire<float>(ctx);
    battery::wire_not_finite<float>(ctx);
    battery::wire_errors<float>(ctx);
  }
}

TEST_CASE("cpu wire_ops: the oracle's bytes and bits in double") {
  context<cpu> ctx({.threads = 2});
  battery::wire<double>(ctx);
  battery::wire_not_finite<double>(ctx);
  battery::wire_errors<double>(ctx);
}

namespace {

std::string hex(const std::vector<std::byte>& bytes) {
  std::string out;
  for (const std::byte b : bytes) {
    const char digits[] = "0123456789abcdef";
    if (!out.empty()) out += ' ';
    out += {digits[static_cast<int>(b) >> 4], digits[static_cast<int>(b) & 15]};
  }
  return out;
}

std::string packed(const wire_format& f, const std::vector<float>& x) {
  context<cpu> ctx({.threads = 1});
  const auto n = static_cast<index_t>(x.size());
  return hex(battery::wire_bytes(ctx, f, view<const float, 2>(x.data(), 1, n), view<float, 2>(),
                                 random_stream(1, 2), 3));
}

}  // namespace

TEST_CASE("wire format: the golden bytes of the specification") {
  for (const isa which : available_isas()) {
    const isa_guard guard(which);
    // [golden]
    const float inf = std::numeric_limits<float>::infinity();
    CHECK(packed({.code = wire_code::f32}, {1.0f, -2.5f}) == "00 00 80 3f 00 00 20 c0");
    CHECK(packed({.code = wire_code::bf16}, {1.0f, -2.5f, 3.14159f}) == "80 3f 20 c0 49 40 00 00");
    // The scale of both blocks of four is 1: 127 / 127; -2.5 is a tie and goes to the even -2.
    CHECK(packed({.code = wire_code::int8, .block = 4}, {127, -2.5f, 0, 1, -127, 0.5f}) ==
          "00 00 80 3f 00 00 80 3f 7f fe 00 01 81 00 00 00");
    // A block of zeros; one with an infinity, which is marked; two of scale 1, the last of one
    // number.
    CHECK(packed({.code = wire_code::int4, .block = 2}, {0, -0.0f, 1, inf, 7, -3.5f, -7}) ==
          "00 00 00 00 00 00 c0 7f 00 00 80 3f 00 00 80 3f 00 00 c7 09");
    // E4M3: 448 is 7e, 1 is 38, -0.0625 is 98, and 2^-9, the smallest, is 01.
    CHECK(packed({.code = wire_code::fp8, .block = 4}, {448, 1, -0.0625f, 0x1p-9f}) ==
          "00 00 80 3f 7e 38 98 01");
    // Stochastic, with Philox key 1, stream 2, draw 3: the scale is 1, the rest is halves.
    CHECK(packed({.code = wire_code::int8, .block = 8, .stochastic = true},
                 {127, 0.5f, 0.5f, 0.5f, 0.5f, -0.5f, -0.5f, -0.5f}) ==
          "00 00 80 3f 7f 01 01 00 01 00 ff 00");
    // [/golden]
  }
}

namespace {

/// Enough numbers for several tasks.
std::vector<std::byte> large(const wire_format& f, int threads, std::vector<float>& residual) {
  constexpr index_t columns = 40'001;
  static const auto x = battery::normals<float>(3 * columns, 1),
                    before = battery::normals<float>(3 * columns, 2);
  context<cpu> ctx({.threads = threads});
  residual = before;
  return battery::wire_bytes(ctx, f, battery::cmatrix_of(x, 3, columns),
                             battery::matrix_of(residual, 3, columns), random_stream(5), 11);
}

}  // namespace

TEST_CASE("cpu wire_ops: neither threads nor the instruction set change a byte") {
  for (const wire_format& f : battery::wire_formats()) {
    std::vector<float> expected_residual, residual;
    const auto expected = large(f, 1, expected_residual);
    for (const isa which : available_isas())
      for (const int threads : {1, 2, 5}) {
        const isa_guard guard(which);
        CAPTURE(f.text(), f.block, threads, name_of(which));
        const auto bytes = large(f, threads, residual);
        if (bytes != expected || residual != expected_residual) REQUIRE(false);
      }
  }
}

TEST_CASE("cpu wire_ops: stochastic rounding is right on average") {
  context<cpu> ctx({.threads = 1});
  constexpr index_t n = 256, times = 4000;
  const auto x = battery::normals<float>(n, 3);
  for (const wire_code c : {wire_code::bf16, wire_code::fp8, wire_code::int8, wire_code::int4}) {
    const wire_format f{.code = c, .stochastic = true};
    double largest = 0;  // error
    std::vector<double> sum(n), squares(n);
    std::vector<float> y(n);
    for (index_t t = 0; t < times; ++t) {
      const auto bytes =
          battery::wire_bytes(ctx, f, battery::cmatrix_of(x, 1, n), view<float, 2>(),
                              random_stream(17), static_cast<std::uint64_t>(t) * f.draws(n));
      cpu::wire_unpack(ctx, f, view<const std::byte, 2>(bytes.data(), 1, f.bytes(n)),
                       view<float, 2>(y.data(), 1, n));
      for (std::size_t i = 0; i < y.size(); ++i) {
        const double e = static_cast<double>(y[i]) - static_cast<double>(x[i]);
        sum[i] += e;
        squares[i] += e * e;
        largest = std::max(largest, std::abs(e));
      }
    }
    for (std::size_t i = 0; i < y.size(); ++i) {  // six standard errors
      CAPTURE(f.text(), i, x[i], sum[i] / times);
      if (!(std::abs(sum[i]) <= 6 * std::sqrt(squares[i]) + 8 * largest)) REQUIRE(false);
    }
  }
}
