// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What is translated for PCRE2, and what is refused by name.

#include "catch.hpp"

#include <dsr1/text/regex.hpp>

using namespace dsr1;

namespace {

/// The matches, each followed by "|".
std::string matches(const std::string& pattern, std::string_view subject) {
  const regex r(pattern, "test");
  regex_scratch scratch;
  std::string out;
  r.for_each_match(subject, scratch, [&](std::size_t begin, std::size_t end) {
    out.append(subject.substr(begin, end - begin)) += '|';
  });
  return out;
}

std::string refused(const std::string& pattern) {
  return message_of([&] { to_pcre2(pattern, "t.json: pattern"); });
}

}  // namespace

TEST_CASE("regex_syntax: meanings that are the reference's and not PCRE2's") {
  CHECK(matches(R"(\s+)", "a\u180E b\u0085\u2003c") == " |\u0085\u2003|");  // U+180E is no space
  CHECK(matches(R"([^\s]+)", "a\u180E b") == "a\u180E|b|");
  CHECK(matches(R"([^\S\n]+)", "a \n b") == " | |");
  CHECK(matches(R"(\S)", "a b") == "a|b|");
  CHECK(matches(R"(\v)", "\x0B\n") == "\x0B|");
  CHECK(matches(R"(\w+)", "e\u0301x\u203Fy \u00B2") == "e\u0301x\u203Fy|\u00B2|");
  CHECK(matches(R"(\W+)", "a, b") == ", |");
  CHECK(matches(R"(\bx)", "x ax \u0301x") == "x|");
  CHECK(matches(R"(x\B)", "xa x") == "x|");
  CHECK(matches(R"(\d)",
                "a\u0663"
                "1\u00B2") == "\u0663|1|");
  CHECK(matches("^a", "a\nab\n") == "a|a|");  // lines, without any flag
  CHECK(matches("a$", "a\nba\n") == "a|a|");
  CHECK(matches("a{,2}b", "aaab") == "aab|");
  CHECK(matches("a{x", "a{x") == "a{x|");
  CHECK(matches(R"(\p{Greek})", "\u0342\u03B1") == "\u03B1|");  // the script, not its extensions
  CHECK(matches(R"(\p{^L}+)", "a12b") == "12|");
  CHECK(matches(R"(\P{L}+)", "a12b") == "12|");
}

TEST_CASE("regex_syntax: what both have in common goes through") {
  CHECK(matches("(?i:'s|'t)", "'S 'x 't") == "'S|'t|");
  CHECK(matches("(?i)ab(c)?", "ABC aB") == "ABC|aB|");
  CHECK(matches("a(?=b)|(?<=c)d|x(?!y)|(?<!z)w", "ab cd xy x zw w") == "a|d|x|w|");
  CHECK(matches("a++b|c*?d|(?>e+)f", "aab ccd eef") == "aab|ccd|eef|");
  CHECK(matches(R"([a\]\-]+)", "]-a b") == "]-a|");
  CHECK(matches("[]x]+", "]x") == "]x|");
  CHECK(matches(R"(\x{4E2D}|\u6587|\x41)",
                "\u4E2D\u6587"
                "A") == "\u4E2D|\u6587|A|");
  CHECK(matches("[\u4E00-\u9FA5]+",
                "a\u4E2D\u6587"
                "b") == "\u4E2D\u6587|");
  CHECK(matches(".+", "ab\ncd") == "ab|cd|");
  CHECK(matches("x*", "axxb") == "|xx||");  // no empty match right after a match
}

TEST_CASE("regex_syntax: the rest is refused, with its place") {
  CHECK(mentions(refused("ab\\1"), "t.json: pattern", "\\1", "at byte 2"));
  CHECK(mentions(refused("[a&&b]"), "\"&&\" in [...]"));
  CHECK(mentions(refused("[a[bc]]"), "\"[\" in [...]"));
  CHECK(mentions(refused("[[:alpha:]]"), "\"[\" in [...]"));
  CHECK(mentions(refused("[abc"), "without \"]\""));
  CHECK(mentions(refused("(?<name>a)"), "group \"(?<n\""));
  CHECK(mentions(refused("(?m:a)"), "group \"(?m:\""));
  CHECK(mentions(refused("(*FAIL)"), "(*"));
  CHECK(mentions(refused("a(?i)b"), "(?i) after the beginning"));
  CHECK(mentions(refused("a)"), "\")\" without \"(\""));
  CHECK(mentions(refused("a{2}+"), "\"+\" after \"}\""));
  CHECK(mentions(refused("(?i:\\p{Lu})"), "where case is ignored"));
  CHECK(mentions(refused("\\p{L"), "\\p without {...}"));
  for (const char* escape : {"\\h", "\\R", "\\X", "\\K", "\\G", "\\k", "\\Q", "\\C", "\\N", "\\0"})
    CHECK(mentions(refused(escape), escape));
  CHECK(mentions(refused("[\\W]"), "\\W in [...]"));
  CHECK(mentions(refused("\\xFF"), "not ASCII"));
  CHECK(mentions(refused("\\x{110000000}"), "\\x{"));
  CHECK(mentions(refused("\\u12"), "\\u without 4 digits"));
  CHECK(mentions(refused("\\"), "unsupported regex syntax"));
  CHECK(mentions(refused(std::string(200, '(')), "deeper than 100"));
}
