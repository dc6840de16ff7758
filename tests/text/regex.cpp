// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Matching, and giving up in time.

#include "catch.hpp"

#include <dsr1/text/regex.hpp>

using namespace dsr1;

namespace {

int count(const regex& r, std::string_view subject) {
  regex_scratch scratch;
  scratch.allow(subject.size());
  int n = 0;
  r.for_each_match(subject, scratch, [&](std::size_t, std::size_t) { ++n; });
  return n;
}

}  // namespace

TEST_CASE("regex: what does not compile names its place") {
  CHECK(mentions(message_of([] { regex("a**", "t.json: x"); }), "t.json: x", "does not compile"));
  CHECK(mentions(message_of([] { regex("\\p{Nonsense}", "t.json: x"); }), "does not compile",
                 "unknown property"));
  CHECK(mentions(message_of([] { regex("(a", "t.json: x"); }), "does not compile"));
  CHECK(
      mentions(message_of([] { regex("(?:a{60000}){60000}", "t.json: x"); }), "does not compile"));
}

TEST_CASE("regex: a catastrophic pattern is an error, not a night") {
  const regex r("(?:a+)+$", "t.json: x");
  const std::string message = message_of([&] { count(r, std::string(64, 'a') + "b"); });
  CHECK(mentions(message, "t.json: x", "gives up on a text of 65 bytes", "match limit"));
}

TEST_CASE("regex: long words need neither much time nor much stack") {
  const std::string upper(1 << 20, 'A'), lower(1 << 20, 'a'), blank(1 << 20, ' ');
  const regex words(R"([\p{Lu}\p{Lo}]*[\p{Ll}\p{Lo}]+|[\p{Lu}\p{Lo}]+|\s*[\r\n]+|\s+(?!\S)|\s+)",
                    "x");
  CHECK(count(words, upper) == 1);
  CHECK(count(words, lower) == 1);
  CHECK(count(words, blank) == 1);
  CHECK(count(words, blank + "x") == 3);
  // A group in a loop keeps a place for every round; beyond the JIT's stack PCRE2 interprets.
  CHECK(count(regex("(?:a|b)*c", "x"), std::string(100'000, 'a') + "c") == 1);
}

TEST_CASE("regex: lookbehind sees what stands before the match") {
  CHECK(count(regex("(?<=a)b", "x"), "ab bb ab") == 2);
  CHECK(count(regex("", "x"), "\u00E9\u00E9") == 3);
}
