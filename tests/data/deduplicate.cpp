// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Exact and near duplicates, and that only what was kept is remembered.

#include <string>
#include <vector>

#include "catch.hpp"

#include <dsr1/data/deduplicate.hpp>

using namespace dsr1;

namespace {

std::string line(int i) {
  return "this is line number " + std::to_string(i) + " of some text, long enough to count\n";
}

std::string lines(int from, int to) {
  std::string out;
  for (int i = from; i < to; ++i) out += line(i);
  return out;
}

}  // namespace

TEST_CASE("duplicate_filter: the same text up to white space") {
  duplicate_filter filter;
  CHECK(filter.check("short text\nof two lines\n") == text_rule::kept);
  CHECK(filter.check("short text\nof two lines\n") == text_rule::duplicate);
  CHECK(filter.check("  short \t text \r\n\n\nof two lines") == text_rule::duplicate);
  CHECK(filter.check("short text of two lines\n") == text_rule::kept);
}

TEST_CASE("duplicate_filter: most long lines seen before") {
  duplicate_filter filter;
  CHECK(filter.check(lines(0, 10)) == text_rule::kept);
  CHECK(filter.check(lines(4, 14)) == text_rule::near_duplicate);  // six of ten
  CHECK(filter.check(lines(5, 16)) == text_rule::kept);            // five of eleven
  CHECK(filter.check(lines(12, 20)) == text_rule::kept);  // four of eight: not more than half
  CHECK(duplicate_filter({.share = 1}).check(lines(0, 3)) == text_rule::kept);
}

TEST_CASE("duplicate_filter: dropped documents leave no trace, lines may repeat within one") {
  duplicate_filter filter;
  CHECK(filter.check(lines(0, 10)) == text_rule::kept);
  CHECK(filter.check(lines(0, 9) + lines(100, 104)) == text_rule::near_duplicate);
  CHECK(filter.check(lines(100, 104)) == text_rule::kept);
  CHECK(filter.check(line(50) + line(50) + line(50)) == text_rule::kept);
}

TEST_CASE("duplicate_filter: short lines alone are never near duplicates") {
  duplicate_filter filter;
  CHECK(filter.check("{\n}\nreturn 0;\n") == text_rule::kept);
  CHECK(filter.check("{\n}\nreturn 1;\n") == text_rule::kept);
}

TEST_CASE("duplicate_filter: options") {
  CHECK(mentions(message_of([] { duplicate_filter({.long_line = 0}); }), "long_line is 0",
                 "above 0"));
  CHECK(mentions(message_of([] { duplicate_filter({.share = 1.5}); }), "share 1.5"));
}
