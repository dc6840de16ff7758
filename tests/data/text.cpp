// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// UTF-8, the stored form of a document, and each rule that drops one.

#include <string>

#include "catch.hpp"

#include <dsr1/core/random.hpp>
#include <dsr1/data/text.hpp>

using namespace dsr1;

namespace {

const cleaning_options anything{.shortest = 1, .letter_share = 0};

std::string cleaned(std::string text, const cleaning_options& options = anything) {
  clean_text(text, options);
  return text;
}

text_rule rule_of(std::string text, const cleaning_options& options = {}) {
  return clean_text(text, options);
}

const std::string sentence =
    "A sentence that is long enough to be kept, whatever else happens to it here.\n";

}  // namespace

TEST_CASE("utf8_length: the borders of RFC 3629") {
  const auto valid = [](std::string_view s) { return utf8_length(s, 0); };
  CHECK(valid("a") == 1);
  CHECK(valid("\xC2\x80") == 2);
  CHECK(valid("\xDF\xBF") == 2);
  CHECK(valid("\xE0\xA0\x80") == 3);
  CHECK(valid("\xED\x9F\xBF") == 3);
  CHECK(valid("\xEF\xBF\xBF") == 3);
  CHECK(valid("\xF0\x90\x80\x80") == 4);
  CHECK(valid("\xF4\x8F\xBF\xBF") == 4);
  for (const char* bad : {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x9F\xBF",
                          "\xED\xA0\x80", "\xE2\x82", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
                          "\xF5\x80\x80\x80", "\xFF", "\xF0\x90\x80"})
    CHECK(valid(bad) == 0);
  CHECK(utf8_length("ab", 2) == 0);
  CHECK(is_utf8("gr\xC3\xBC\xC3\x9F dich"));
  CHECK_FALSE(is_utf8("caf\xE9"));
}

TEST_CASE("clean_text: the one form") {
  CHECK(cleaned("a\r\nb\rc\n\n") == "a\nb\nc\n");
  CHECK(cleaned("\xEF\xBB\xBF"
                "a") == "a\n");
  CHECK(cleaned("a  \t\nb \n") == "a\nb\n");
  CHECK(cleaned("\n \n\ta\n\n\n\n\n\nb") == "\ta\n\n\nb\n");
  CHECK(cleaned("a\x01"
                "b\x7F"
                "c\x1B[0m\fd") == "abc[0md\n");
  CHECK(cleaned("x\xC2\x85y\xC2\xA0z") == "xy\xC2\xA0z\n");
  CHECK(cleaned("a\xEF\xBF\xBE"
                "b") == "ab\n");
  CHECK(cleaned("  indented\n\ttab\n") == "  indented\n\ttab\n");
}

TEST_CASE("clean_text: cleaning twice changes nothing, and the result is valid UTF-8") {
  const random_stream r(7);
  const char alphabet[] = {'a',    ' ',    '\n',   '\r',   '\t',   '\xC3',
                           '\xA9', '\xE2', '\x96', '\x81', '\x7F', '\xFF'};
  std::uint64_t at = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string s;
    for (std::uint64_t n = r.below(at++, 60); n > 0; --n)
      s += alphabet[r.below(at++, sizeof(alphabet))];
    const cleaning_options options{.invalid_share = 1, .shortest = 1, .letter_share = 0};
    clean_text(s, options);
    const std::string once = s;
    clean_text(s, options);
    REQUIRE(s == once);
    REQUIRE(is_utf8(s));
    REQUIRE((s.empty() || (s.back() == '\n' && s.front() != '\n')));
  }
}

TEST_CASE("clean_text: what each rule drops") {
  CHECK(rule_of(sentence) == text_rule::kept);
  CHECK(rule_of("") == text_rule::empty);
  CHECK(rule_of(" \n\t\r\n") == text_rule::empty);
  CHECK(rule_of(sentence + std::string(1, '\0')) == text_rule::binary);
  CHECK(rule_of(sentence + "\xE9\xE8\xE0") == text_rule::encoding);
  CHECK(rule_of("Too short.") == text_rule::too_short);
  CHECK(rule_of(sentence + std::string(3000, 'x')) == text_rule::long_lines);
  CHECK(rule_of(sentence + std::string(3000, '7') + "\n", {.long_line = 10000}) ==
        text_rule::few_letters);
  std::string mostly_valid;
  for (int i = 0; i < 10; ++i) mostly_valid += sentence;
  CHECK(rule_of(mostly_valid + "\xFF") == text_rule::kept);
  CHECK(cleaned(mostly_valid + "\xFF") == mostly_valid);
}

TEST_CASE("cleaning_report: counts per rule") {
  cleaning_report report;
  report.add(text_rule::kept, 100, 90);
  report.add(text_rule::kept, 10, 10);
  report.add(text_rule::binary, 7);
  CHECK(report.of(text_rule::kept).documents == 2);
  CHECK(report.of(text_rule::binary).bytes == 7);
  CHECK(report.kept_bytes == 100);
  CHECK(report.all().documents == 3);
  CHECK(report.all().bytes == 117);
  CHECK(name_of(text_rule::near_duplicate) == "near_duplicate");
  CHECK(name_of(text_rule::kept) == "kept");
}
