// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The language of single letters: each letter, loops, limits.

#include <string>

#include "catch.hpp"

#include <dsr1/rl/stack_machine.hpp>

using namespace dsr1;

namespace {

std::string run(const std::string& words, std::int64_t input, stack_machine machine = {}) {
  const auto code = machine.parse(words).program;
  REQUIRE(code.has_value());
  const auto [output, trouble] = machine.run(*code, input);
  CHECK(output.has_value() == trouble.empty());
  return output ? std::to_string(*output) : std::string(trouble);
}

}  // namespace

TEST_CASE("stack_machine: letters") {
  CHECK(run("7", 3) == "7");
  CHECK(run("2+", 3) == "5");
  CHECK(run("5-", 3) == "-2");
  CHECK(run("4*", 3) == "12");
  CHECK(run("5s%", 3) == "2");
  CHECK(run("05-3%", 3) == "-2");
  CHECK(run("3=", 3) == "1");
  CHECK(run("4=", 3) == "0");
  CHECK(run("4<", 3) == "1");
  CHECK(run("3<", 3) == "0");
  CHECK(run("d*", 3) == "9");
  CHECK(run("5p", 3) == "3");
  CHECK(run("5s-", 3) == "2");
  CHECK(run("5o", 3) == "3");
  CHECK(run("5o-", 3) == "2");
  CHECK(run("12r", 3) == "3");  // 3 1 2 to 1 2 3
  CHECK(run("12rp", 3) == "2");
  CHECK(run("12rpp", 3) == "1");
}

TEST_CASE("stack_machine: loops agree with sums, factorials and powers") {
  std::int64_t sum = 0;
  std::int64_t factorial = 1;
  for (std::int64_t n = 0; n <= 15; ++n) {
    sum += n;
    if (n > 0) factorial *= n;
    CHECK(run("0s[dr+s1-]p", n) == std::to_string(sum));
    CHECK(run("1s[dr*s1-]p", n) == std::to_string(factorial));
    CHECK(run("1s[s2*s1-]p", n) == std::to_string(std::int64_t{1} << n));
    CHECK(run("0s[d[r1+rr1-]p1-]p", n) == std::to_string(sum));  // a loop in a loop
  }
  CHECK(run("[]", 0) == "0");
  CHECK(run("[5]0", 0) == "0");
  CHECK(run("[0]", 7) == "0");
}

TEST_CASE("stack_machine: nothing runs forever, or away") {
  CHECK(run("[]", 1) == "runs for too long");
  CHECK(run("[d]", 1) == "fills the stack");
  CHECK(run("1[d*2+]", 1) == "has a number too large");
  CHECK(run("0%", 1) == "divides by zero");
  CHECK(run("+", 1) == "takes from an empty stack");
  CHECK(run("1r", 1) == "takes from an empty stack");
}

TEST_CASE("stack_machine: the limits are exact") {
  const stack_machine small{.longest = 4, .deepest = 3, .steps = 4};
  CHECK(run("11", 0, small) == "1");
  CHECK(run("111", 0, small) == "fills the stack");
  CHECK(run("1111", 0, {.steps = 4}) == "1");
  CHECK(run("1111", 0, {.steps = 3}) == "runs for too long");
  CHECK(run("p", 0) == "leaves nothing on the stack");
  CHECK(run("pd", 0) == "takes from an empty stack");
}

TEST_CASE("stack_machine: what is no program") {
  const stack_machine machine{.longest = 6};
  const auto stop = [&](const std::string& words) {
    const auto [program, place] = machine.parse(words);
    return program ? std::string("whole") : std::to_string(place);
  };
  CHECK(stop("1[d]+") == "whole");
  CHECK(stop("1[[]]+") == "whole");
  CHECK(stop("") == "0");
  CHECK(stop("1x") == "1");
  CHECK(stop("1]") == "1");
  CHECK(stop("[[]") == "3");
  CHECK(stop("1234567") == "6");
  CHECK(stop("[[[[[[[") == "6");
  CHECK(stop(std::string("1\0", 2)) == "1");
  CHECK(stop(std::string(1'000'000, '[')) == "6");
}
