// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Whole numbers: what fits, what does not, against wider arithmetic.

#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"

#include <dsr1/core/random.hpp>
#include <dsr1/rl/integer.hpp>

using namespace dsr1;

TEST_CASE("integer: numbers without leading zeros") {
  CHECK(number_length("123x", 0) == 3);
  CHECK(number_length("123x", 1) == 2);
  CHECK(number_length("0123", 0) == 1);
  CHECK(number_length("x", 0) == 0);
  CHECK(number_length("", 0) == 0);
  CHECK(number_length("1", 7) == 0);
  CHECK(number_value("0") == 0);
  CHECK(number_value("9223372036854775807") == std::numeric_limits<std::int64_t>::max());
  CHECK(number_value("9223372036854775808") == std::nullopt);
  CHECK(number_value(std::string(100000, '9')) == std::nullopt);
  CHECK(number_value("") == std::nullopt);
  CHECK(number_value("1a") == std::nullopt);
  CHECK(number_value("-1") == std::nullopt);
}

TEST_CASE("integer: operations agree with 128 bits") {
  constexpr std::int64_t low = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t high = std::numeric_limits<std::int64_t>::max();
  std::vector<std::int64_t> values = {low, low + 1, -2, -1, 0, 1, 2, high - 1, high};
  const random_stream random(3);
  for (std::uint64_t i = 0; i < 60; ++i)
    values.push_back(static_cast<std::int64_t>(random.bits(i)) >> (i % 60));
  __extension__ typedef __int128 wide;
  for (const std::int64_t a : values)
    for (const std::int64_t b : values)
      for (const char op : std::string("+-*/%^")) {
        const wide x = a;
        const wide y = b;
        const bool divides = b != 0 && (op == '%' || (op == '/' && x % y == 0));
        bool there = op == '+' || op == '-' || op == '*' || divides;
        const wide expected = op == '+'   ? x + y
                              : op == '-' ? x - y
                              : op == '*' ? x * y
                              : !divides  ? 0
                              : op == '/' ? x / y
                                          : x % y;
        there = there && expected >= low && expected <= high;
        const std::optional<std::int64_t> got = calculate(a, op, b);
        if (got.has_value() != there || (there && *got != expected)) {
          CAPTURE(a, op, b);
          FAIL("another result");
        }
      }
}
