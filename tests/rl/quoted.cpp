// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Any bytes become text that can be printed.

#include <string>

#include "catch.hpp"

#include <dsr1/rl/quoted.hpp>

using namespace dsr1;

TEST_CASE("quoted: what prints stays, the rest is in hexadecimal, much is cut") {
  CHECK(quoted("a b") == "\"a b\"");
  CHECK(quoted(std::string("\0\n\xff\"\\", 5)) == "\"\\x00\\x0a\\xff\\x22\\x5c\"");
  CHECK(quoted("abcdef", 3) == "\"abc\"...");
  CHECK(quoted("abc", 3) == "\"abc\"");
  CHECK(quoted(std::string(1'000'000, '\x01')).size() == 4 * 60 + 5);
  CHECK(printable("a \"b\"\n") == "a \"b\"\\x0a");
  CHECK(printable("abcdef", 3) == "abc...");
  CHECK(quoted_at("ab", 1) == "\"b\"");
  CHECK(quoted_at("ab", 2) == "the end");
  CHECK(quoted_at("", 0) == "the end");
}
