// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Reading a configuration and knowing what was not read.

#include "catch.hpp"

#include <dsr1/io/config_keys.hpp>

using namespace dsr1;

namespace {

config_keys keys_of(std::string_view text) {
  return config_keys({parse_json(text, "c.json"), "c.json"});
}

}  // namespace

TEST_CASE("config_keys: null is missing, what nobody reads is unknown") {
  auto keys = keys_of(R"({"a": 1, "b": null, "c": "x", "d": {"e": 2, "f": 3}, "g": 4, "h": 5})");
  CHECK(keys.has("a"));
  CHECK_FALSE(keys.has("b"));
  CHECK(keys.get<int>("b", 7) == 7);
  CHECK(keys.get<std::string>("c") == "x");
  CHECK(keys.size("a", 0, 5) == 1);
  CHECK(keys.size_or("none", 9, 0, 5) == 9);
  CHECK(keys.number_or("a", 3, 0, 5) == 1);
  auto inner = keys.object("d");
  CHECK(inner.get<int>("e") == 2);
  keys.ignore({"g", "not there"});
  std::vector<std::string> unknown;
  inner.add_unknown(unknown);
  keys.add_unknown(unknown);
  CHECK(unknown == std::vector<std::string>{"d.f", "h"});
}

TEST_CASE("config_keys: errors") {
  auto keys = keys_of(R"({"a": 1, "b": 2, "c": 1, "d": {"e": 0.5}})");
  CHECK(keys.size_of({"a", "c", "none"}, 0, 9) == 1);
  CHECK(mentions(message_of([&] {
                   keys.size_of({"a", "b"}, 0, 9);
                 }),
                 "c.json: \"b\" is 2, but \"a\" is 1; expected the same"));
  CHECK(mentions(message_of([&] { keys.size_of({"x", "y"}, 0, 9); }), "c.json: \"x\" is missing"));
  CHECK(mentions(message_of([&] { keys.size("a", 2, 9); }), "\"a\" is 1, expected 2 to 9"));
  CHECK(mentions(message_of([&] { keys.object("d").number("e", 1, 2); }),
                 "c.json: \"d\": \"e\" is 0.5, expected 1 to 2"));
  CHECK_NOTHROW(keys.only("a", 1));
  CHECK_NOTHROW(keys.only("none", 1));
  CHECK(mentions(message_of([&] { keys.only("a", 3); }), "c.json: \"a\" is 1, expected 3"));
}
