// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Replacements of strings and regexes.

#include "catch.hpp"

#include <dsr1/text/replace.hpp>

using namespace dsr1;

namespace {

replacement of(const std::string& step) { return replacement(json_object(json::parse(step), "t")); }

std::string applied(const std::string& step, const std::string& s) {
  regex_scratch scratch;
  scratch.allow(s.size());
  return of(step)(s, scratch);
}

}  // namespace

TEST_CASE("replace: every match, from the left") {
  const std::string blank = R"({"type": "Replace", "pattern": {"String": " "}, "content": "__"})";
  CHECK(applied(blank, " a  b ") == "__a____b__");
  CHECK(applied(blank, "") == "");
  CHECK(applied(R"({"type": "Replace", "pattern": {"String": "aa"}, "content": "b"})", "aaaaa") ==
        "bba");
  CHECK(applied(R"({"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": ""})",
                "a b \t c") == "abc");
  CHECK(applied(R"({"type": "Replace", "pattern": {"Regex": "\\p{Lu}"}, "content": "U"})",
                "x\u1C89y\u1C89") == "xUyU");  // Unicode 16
}

TEST_CASE("replace: errors") {
  const auto refused = [](const std::string& step) { return message_of([&] { of(step); }); };
  CHECK(mentions(refused(R"({"type": "Replace", "pattern": {"String": ""}, "content": "b"})"),
                 "empty"));
  CHECK(mentions(refused(R"({"type": "Replace", "pattern": {"Glob": "a"}, "content": "b"})"),
                 "Glob"));
  CHECK(mentions(refused(R"({"type": "Replace", "pattern": {}, "content": "b"})"),
                 "expected \"String\""));
  CHECK(mentions(refused(R"({"type": "Replace", "pattern": "a", "content": "b"})"),
                 "expected an object"));
  CHECK(mentions(refused(R"({"type": "Replace", "pattern": {"String": "a"}})"),
                 "\"content\" is missing"));
  CHECK(mentions(message_of([] {
                   const std::string big(1000, 'x');
                   applied(R"({"type": "Replace", "pattern": {"String": "a"}, "content": ")" + big +
                               "\"}",
                           std::string(1000, 'a'));
                 }),
                 "a text of 1000 bytes grows"));
}
