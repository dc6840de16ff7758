// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Well-formed UTF-8, and what is not.

#include "catch.hpp"

#include <dsr1/text/utf8.hpp>

using namespace dsr1;

namespace {

std::string repaired(std::string_view s) {
  std::string out;
  append_well_formed(out, s);
  return out;
}

}  // namespace

TEST_CASE("utf8: every code point is read back, and nothing else is a character") {
  for (std::int32_t c = 0; c < 0x110000; ++c) {
    std::string s;
    append_character(s, c);
    const utf8_unit u = utf8_at(s, 0);
    if (c >= 0xD800 && c < 0xE000) {
      if (u.whole()) FAIL("surrogate " << c);
      continue;
    }
    if (u.code_point != c || u.bytes != s.size()) FAIL(c);
    for (std::size_t n = 1; n < s.size(); ++n) {  // cut short
      const utf8_unit part = utf8_at(std::string_view(s).substr(0, n), 0);
      if (part.whole() || !part.cut || part.bytes != n) FAIL(c << " cut to " << n);
    }
  }
}

TEST_CASE("utf8: one U+FFFD per maximal subpart") {
  const std::string r(replacement_character);
  CHECK(repaired("a\xFF"
                 "b") == "a" + r + "b");
  CHECK(repaired("\xE2\x82") == r);  // cut
  CHECK(repaired("\xE2\x82"
                 "a") == r + "a");                       // broken off
  CHECK(repaired("\xC0\xAF") == r + r);                  // overlong
  CHECK(repaired("\xE0\x80\x80") == r + r + r);          // overlong
  CHECK(repaired("\xED\xA0\x80") == r + r + r);          // surrogate
  CHECK(repaired("\xF4\x90\x80\x80") == r + r + r + r);  // above U+10FFFF
  CHECK(repaired("\xF0\x9F\x98"
                 "\xF0\x9F\x98\x80") == r + "\xF0\x9F\x98\x80");
  CHECK(repaired("\x80\x80") == r + r);
  CHECK(repaired("plain and \xC3\xA9 stay") == "plain and \xC3\xA9 stay");
}

TEST_CASE("utf8: places") {
  CHECK(skip_ascii("0123456789\xC3\xA9", 0) == 10);
  CHECK(skip_ascii("0123456789", 3) == 10);
  CHECK(first_ill_formed("\xC3\xA9 abc\xC3") == 6);
  CHECK(first_ill_formed("\xC3\xA9 abc") == 6);
  CHECK(first_ill_formed("") == 0);
}
