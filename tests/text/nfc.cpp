// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// NFC, held to the reference.

#include <fstream>

#include "catch.hpp"
#include "golden.hpp"

#include <dsr1/io/json.hpp>
#include <dsr1/text/nfc.hpp>

using namespace dsr1;

TEST_CASE("nfc: golden cases", "[golden]") {
  const auto path = golden::path("tokenizers/nfc.jsonl");
  if (path.empty()) return;
  std::ifstream in(path);
  int count = 0;
  for (std::string line; std::getline(in, line); ++count) {
    const auto [from, to] = json::parse(line).get<std::pair<std::string, std::string>>();
    INFO(line);
    CHECK(nfc(from) == to);
    CHECK(nfc("ab" + from + "cd") == "ab" + to + "cd");
  }
  CHECK(count > 0);
}

TEST_CASE("nfc: ASCII joins with what follows it") {
  CHECK(nfc("") == "");
  CHECK(nfc("plain") == "plain");
  CHECK(nfc("cafe\u0301 e\u0301") == "caf\u00E9 \u00E9");
  CHECK(nfc("\u0301e") == "\u0301e");
  CHECK(nfc("e\u0301e\u0301") == "\u00E9\u00E9");
  CHECK(nfc("q\u0307\u0323") == "q\u0323\u0307");
}

TEST_CASE("nfc: what is younger than the reference stays where it is") {
  CHECK(nfc("\u1100\u1161\u11A7\u11A8") == "\uAC00\u11A7\u11A8");
  CHECK(nfc("q\u0307\u0898") == "q\u0307\u0898");                // Unicode 14
  CHECK(nfc("\U00011935\U00011930") == "\U00011935\U00011930");  // Unicode 13
  CHECK(nfc("e\U0001E08F\u0301") == "e\U0001E08F\u0301");        // Unicode 15
}
