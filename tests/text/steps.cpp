// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Sequences of elements, nested and refused.

#include "catch.hpp"

#include <dsr1/text/steps.hpp>

using namespace dsr1;

namespace {

std::string types(const std::string& value) {
  std::string out;
  for_each_step(json::parse(value), "t.json: \"x\"", "parts",
                [&](const json_object& step) { out += step.get<std::string>("type") + " "; });
  return out;
}

}  // namespace

TEST_CASE("steps: null, one, several, nested") {
  CHECK(types("null").empty());
  CHECK(types(R"({"type": "A"})") == "A ");
  CHECK(types(R"({"type": "Sequence", "parts": [{"type": "A"}, {"type": "Sequence", "parts":
                  [{"type": "B"}]}, {"type": "C"}]})") == "A B C ");
  CHECK(types(R"({"type": "Sequence", "parts": []})").empty());
}

TEST_CASE("steps: errors name the place") {
  const auto refused = [](const std::string& v) { return message_of([&] { types(v); }); };
  CHECK(mentions(refused("3"), "t.json: \"x\" is 3, expected an object or null"));
  CHECK(mentions(refused(R"({"type": "Sequence"})"), "\"parts\" is missing or no list"));
  CHECK(mentions(refused(R"({"type": "Sequence", "parts": [{"type": "A"}, 4]})"),
                 "\"x\".parts[1] is 4"));
  CHECK(
      mentions(refused(R"({"type": "Sequence", "parts": [], "more": 1})"), "unknown key \"more\""));
  CHECK(mentions(refused(R"({"kind": "A"})"), "\"type\" is missing"));
  std::string deep = R"({"type": "A"})";
  for (int i = 0; i < 12; ++i) deep = R"({"type": "Sequence", "parts": [)" + deep + "]}";
  CHECK(mentions(refused(deep), "nested deeper than 8"));
  std::string many = R"({"type": "A"})";
  for (int i = 0; i < 100; ++i) many += R"(, {"type": "A"})";
  CHECK(mentions(refused(R"({"type": "Sequence", "parts": [)" + many + "]}"), "more than 64"));
}
