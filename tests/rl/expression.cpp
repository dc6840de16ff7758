// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Expressions: the grammar, the order of operations, and values that are exact or none.

#include <limits>
#include <string>

#include "catch.hpp"

#include <dsr1/rl/expression.hpp>

using namespace dsr1;

TEST_CASE("expression: order of operations") {
  const expression_reader read("+-*/");
  const auto value = [&](const std::string& e) {
    const expression_reading r = read(e);
    REQUIRE(r.whole);
    CHECK(r.stop == e.size());
    return r.value;
  };
  CHECK(value("7") == 7);
  CHECK(value("1+2*3") == 7);
  CHECK(value("(1+2)*3") == 9);
  CHECK(value("9-4-3") == 2);
  CHECK(value("9-(4-3)") == 8);
  CHECK(value("24/4/2") == 3);
  CHECK(value("24/4*2") == 12);
  CHECK(value("2*3+4*5-6/3") == 24);
  CHECK(value("((((2))))*(3)") == 6);
  CHECK(value("1-5*(2-4)") == 11);
}

TEST_CASE("expression: no value where there is no exact one") {
  const expression_reader read("+-*/");
  for (const std::string e :
       {"7/2", "7/2*2", "1/0", "0/0", "9223372036854775807+1", "9223372036854775808",
        "9223372036854775808*0", "4611686018427387904*2", "0-9223372036854775807-2"}) {
    INFO(e);
    CHECK(read(e).whole);
    CHECK(!read(e).value);
  }
  CHECK(read("9223372036854775807").value == std::numeric_limits<std::int64_t>::max());
  CHECK(read("(0-9223372036854775807-1)/(0-1)").value == std::nullopt);
}

TEST_CASE("expression: where it stops") {
  const expression_reader read("+*", 2);
  const auto stop = [&](const std::string& e, std::size_t begin = 0) {
    const expression_reading r = read(e, begin);
    return text(r.whole, " ", r.stop);
  };
  CHECK(stop("1+2;") == "1 3");
  CHECK(stop("x1+2;", 1) == "1 4");
  CHECK(stop("1-2") == "1 1");
  CHECK(stop("1+") == "0 2");
  CHECK(stop("(1") == "0 2");
  CHECK(stop("1)") == "1 1");
  CHECK(stop("((1))") == "1 5");
  CHECK(stop("(((1)))") == "0 2");
  CHECK(stop("01") == "1 1");
  CHECK(stop("", 0) == "0 0");
  const expression_reading r = read("12+(3*");
  REQUIRE(r.numbers.size() == 2);
  CHECK(r.numbers[0].value == 12);
  CHECK(r.numbers[0].end == 2);
  CHECK(r.numbers[1].value == 3);
  CHECK(r.numbers[1].end == 5);
}
