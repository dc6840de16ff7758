// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Words, by every rule of splitting.

#include "catch.hpp"

#include <dsr1/text/pre_tokenizer.hpp>

using namespace dsr1;

namespace {

pre_tokenizer of(const std::string& value) {
  return {json::parse(value), "t.json: \"pre_tokenizer\""};
}

/// The words with "|" between them.
std::string words(const std::string& value, const std::string& s) {
  regex_scratch scratch;
  std::string out;
  of(value)(s, scratch, [&](std::string_view word) {
    CHECK_FALSE(word.empty());
    out.append(out.empty() ? "" : "|").append(word);
  });
  return out;
}

std::string split(const std::string& behavior, const std::string& s, bool invert = false) {
  return words(R"({"type": "Split", "pattern": {"String": "-"}, "behavior": ")" + behavior +
                   R"(", "invert": )" + (invert ? "true}" : "false}"),
               s);
}

}  // namespace

TEST_CASE("pre_tokenizer: what becomes of the matches") {
  CHECK(split("Isolated", "a-b--c") == "a|-|b|-|-|c");
  CHECK(split("Removed", "a-b--c") == "a|b|c");
  CHECK(split("MergedWithPrevious", "-a-b--c") == "-|a-|b-|-|c");
  CHECK(split("MergedWithNext", "a-b--c-") == "a|-b|-|-c|-");
  CHECK(split("Contiguous", "--a-b--c") == "--|a|-|b|--|c");
  CHECK(split("Removed", "a-b--c", true) == "-|-|-");
  CHECK(split("Isolated", "a-b", true) == "a|-|b");
  CHECK(split("Isolated", "") == "");
}

TEST_CASE("pre_tokenizer: a later part sees only the pieces of an earlier one") {
  const std::string value = R"({"type": "Sequence", "pretokenizers": [
      {"type": "Split", "pattern": {"Regex": "\\p{N}"}, "behavior": "Isolated", "invert": false},
      {"type": "Split", "pattern": {"Regex": "\\s+(?!\\S)|\\s+"}, "behavior": "Isolated", "invert": false}]})";
  CHECK(words(value, "a  1  b") == "a|  |1| | |b");
}

TEST_CASE("pre_tokenizer: signs in strings are signs") {
  CHECK(words(R"({"type": "Split", "pattern": {"String": ".*"}, "behavior": "Isolated"})",
              "a.*b") == "a|.*|b");
  CHECK(words(R"({"type": "Split", "pattern": {"String": "({[\\"}, "behavior": "Isolated"})",
              "a({[\\b") == "a|({[\\|b");
}

TEST_CASE("pre_tokenizer: digits and bytes") {
  CHECK(words(R"({"type": "Digits", "individual_digits": true})", "a12b") == "a|1|2|b");
  CHECK(words(R"({"type": "Digits", "individual_digits": false})", "a12b") == "a|12|b");
  const std::string bytes =
      R"({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true})";
  CHECK(of(bytes).byte_level());
  CHECK(words(bytes, "it's 42  x!") == " it|'s| 42| | x|!");
  CHECK(words(bytes, " a") == " a");
  CHECK_FALSE(of("null").byte_level());
  CHECK(words("null", "all of it") == "all of it");
}

TEST_CASE("pre_tokenizer: young characters belong to their classes, and come out as they are") {
  const std::string letters =
      R"({"type": "Split", "pattern": {"Regex": "\\p{L}+"}, "behavior": "Isolated"})";
  CHECK(words(letters, "1\u1C89\u1C8A2") == "1|\u1C89\u1C8A|2");
}

TEST_CASE("pre_tokenizer: anything else is refused by name") {
  const auto refused = [](const std::string& v) { return message_of([&] { of(v); }); };
  CHECK(mentions(refused(R"({"type": "Metaspace"})"), "unsupported type \"Metaspace\""));
  CHECK(mentions(refused(R"({"type": "Split", "pattern": {"String": "-"}, "behavior": "Dropped"})"),
                 "\"behavior\" is \"Dropped\", expected Isolated"));
  CHECK(
      mentions(refused(R"({"type": "Split", "pattern": {"Regex": "a&&["}, "behavior": "Removed"})"),
               "pattern", "without \"]\""));
  CHECK(mentions(
      refused(
          R"({"type": "Sequence", "pretokenizers": [{"type": "ByteLevel", "add_prefix_space": false},
                             {"type": "Digits", "individual_digits": true}]})"),
      ".pretokenizers[1]", "unsupported after ByteLevel"));
  CHECK(mentions(
      refused(R"({"type": "Split", "pattern": {"Regex": "a"}, "behavior": "Removed", "x": 1})"),
      "unknown key \"x\""));
}
