// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// One exception type: messages are built from parts, and name the place of the failed check.

#include <sstream>
#include <string_view>

#include "catch.hpp"

using namespace dsr1;

namespace {

struct counted {
  int* streamed;
};
std::ostream& operator<<(std::ostream& out, const counted& c) {
  ++*c.streamed;
  return out << "counted";
}

constexpr int checked_twice(int x) {
  expects(x > 0, "x is ", x, ", expected more than 0");
  return 2 * x;
}
static_assert(checked_twice(4) == 8, "a check that holds costs nothing in a constant expression");

}  // namespace

TEST_CASE("error: carries its text and the place where it was made") {
  const int line = __LINE__ + 1;
  const error e("a message");
  CHECK(std::string(e.what()) == "a message");
  CHECK(e.at().line == line);
  CHECK(std::string_view(e.at().file).ends_with("error.cpp"));
  const std::runtime_error& base = e;  // a program that knows only the standard catches it too
  CHECK(std::string(base.what()) == "a message");
}

TEST_CASE("error: text joins parts of any type that can be streamed") {
  CHECK(text("step ", 3, " of ", 4.5, ' ', std::string("x"), std::string_view("y")) ==
        "step 3 of 4.5 xy");
  CHECK(text() == "");
}

TEST_CASE("error: expects throws the parts, with the position of the call") {
  int line = 0;
  try {
    line = __LINE__ + 1;
    expects(1 > 2, "found ", 1, ", expected ", 2);
    FAIL("nothing was thrown");
  } catch (const error& e) {
    CHECK(std::string(e.what()) == "found 1, expected 2");
    CHECK(e.at().line == line);
    CHECK(std::string_view(e.at().file).ends_with("error.cpp"));
  }
  CHECK(message_of([] { checked_twice(-1); }) == "x is -1, expected more than 0");
}

TEST_CASE("error: parts are streamed only on failure") {
  int streamed = 0;
  expects(true, counted{&streamed});
  CHECK(streamed == 0);
  CHECK(message_of([&] { expects(false, counted{&streamed}); }) == "counted");
  CHECK(streamed == 1);
}
