// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Normalizers and their sequences.

#include "catch.hpp"

#include <dsr1/text/normalizer.hpp>

using namespace dsr1;

namespace {

std::string applied(const std::string& value, std::string s) {
  regex_scratch scratch;
  normalizer(json::parse(value), "t.json: \"normalizer\"")(s, scratch);
  return s;
}

}  // namespace

TEST_CASE("normalizer: none, one, a sequence in its order") {
  CHECK(normalizer(json(), "t").empty());
  CHECK(applied("null", "e\u0301 x") == "e\u0301 x");
  CHECK(applied(R"({"type": "NFC"})", "e\u0301 x") == "\u00E9 x");
  CHECK(applied(R"({"type": "Prepend", "prepend": "_"})", "x") == "_x");
  CHECK(applied(R"({"type": "Prepend", "prepend": "_"})", "") == "");
  const std::string both =
      R"({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": " "},
      {"type": "Replace", "pattern": {"String": " "}, "content": "_"}]})";
  CHECK(applied(both, "a b") == "_a_b");
}

TEST_CASE("normalizer: anything else is refused by name") {
  const auto refused = [](const std::string& v) { return message_of([&] { applied(v, "x"); }); };
  CHECK(mentions(refused(R"({"type": "NFKC"})"), "t.json: \"normalizer\"",
                 "unsupported type \"NFKC\"", "supported: NFC, Prepend"));
  CHECK(mentions(refused(R"({"type": "Sequence", "normalizers": [{"type": "Lowercase"}]})"),
                 ".normalizers[0]", "\"Lowercase\""));
  CHECK(mentions(refused(R"({"type": "NFC", "strip": true})"), "unknown key \"strip\""));
  CHECK(mentions(refused(R"({"type": "Prepend"})"), "\"prepend\" is missing"));
}
