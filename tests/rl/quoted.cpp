// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Any bytes become text that can be printed.

#include <string>

#include "catch.hpp"

#include <dsr1/rl/quoted.hpp>

using namespace dsr1;

TEST_CASE("quoted: what prints stays, the rest is in hexadecimal, much is cut") {
  CHECK(in_quotes("a b") == "\"a b\"");
  CHECK(in_quotes(std::string("\0\n\xff\"\\", 5)) == "\"\\x00\\x0a\\xff\\x22\\x5c\"");
  CHECK(in_quotes("abcdef", 3) == "\"abc\"...");
  CHECK(in_quotes("abc", 3) == "\"abc\"");
  CHECK(in_quotes(std::string(1'000'000, '\x01')).size() == 4 * 60 + 5);
  CHECK(printable("a \"b\"\n") == "a \"b\"\\x0a");
  CHECK(printable("abcdef", 3) == "abc...");
  CHECK(quoted_at("ab", 1) == "\"b\"");
  CHECK(quoted_at("ab", 2) == "the end");
  CHECK(quoted_at("", 0) == "the end");
}
