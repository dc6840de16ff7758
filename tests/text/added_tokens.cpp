// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Tokens found in texts, with their white space and their neighbours.

#include "catch.hpp"

#include <dsr1/text/added_tokens.hpp>

using namespace dsr1;

namespace {

/// Parts as they are, tokens as [id].
std::string split(const added_token_finder& finder, std::string_view all,
                  bool special_as_text = false) {
  std::string out;
  finder.split(
      all, special_as_text,
      [&](std::string_view part) { out.append("<").append(part).append(">"); },
      [&](std::int32_t id) { out += text("[", id, "]"); });
  return out;
}

added_token_finder finder_of(std::initializer_list<added_token> tokens) {
  added_token_finder f;
  for (const added_token& t : tokens) f.add(t, t.content);
  return f;
}

}  // namespace

TEST_CASE("added_tokens: the longest from the left") {
  const auto f = finder_of(
      {{.id = 1, .content = "<a>"}, {.id = 2, .content = "<a><b>"}, {.id = 3, .content = "a"}});
  CHECK(split(f, "x<a>y<a><b><a") == "<x>[1]<y>[2]<<>[3]");
  CHECK(split(f, "") == "");
  CHECK(split(f, "xyz") == "<xyz>");
  CHECK(split(added_token_finder(), "xyz") == "<xyz>");
  CHECK(split(finder_of({{.id = 1, .content = "x"}, {.id = 2, .content = "x"}}), "x") == "[1]");
}

TEST_CASE("added_tokens: special ones may be text") {
  const auto f =
      finder_of({{.id = 1, .content = "<|end|>", .special = true}, {.id = 2, .content = "|>"}});
  CHECK(split(f, "a<|end|>b|>") == "<a>[1]<b>[2]");
  CHECK(split(f, "a<|end|>b|>", true) == "<a<|end|>b>[2]");  // what overlaps it is not found either
}

TEST_CASE("added_tokens: white space before and after") {
  const auto f = finder_of(
      {{.id = 1, .content = "<l>", .lstrip = true}, {.id = 2, .content = "<r>", .rstrip = true}});
  CHECK(split(f, "a \u00A0\n<l> b") == "<a>[1]< b>");
  CHECK(split(f, "a <r>\t\u3000b") == "<a >[2]<b>");
  CHECK(split(f, "<r>  <l>x") == "[2][1]<x>");
  CHECK(split(f, "\u180E<l>") == "<\u180E>[1]");
}

TEST_CASE("added_tokens: single words") {
  const auto f = finder_of({{.id = 1, .content = "[w]", .single_word = true}});
  CHECK(split(f, "[w] a[w] [w]b _[w] [w].") == "[1]< a[w] [w]b _[w] >[1]<.>");
  CHECK(split(f, "\u00E9[w] [w]\u4E2D \u0301[w]") == "<\u00E9[w] [w]\u4E2D \u0301[w]>");
  CHECK(split(f, "\u20AC[w]\u20AC") == "<\u20AC>[1]<\u20AC>");
}

TEST_CASE("added_tokens: long runs cost their length") {
  const std::string blanks(1 << 20, ' ');
  const auto f = finder_of({{.id = 1, .content = " ", .lstrip = true, .rstrip = true},
                            {.id = 2, .content = "<m>", .lstrip = true}});
  std::size_t found = 0;
  f.split(
      blanks, false, [](std::string_view) {}, [&](std::int32_t) { ++found; });
  CHECK(found == blanks.size());
}

TEST_CASE("added_tokens: read from a file") {
  const auto of = [](const std::string& s) {
    return added_token::of(json_object(json::parse(s), "t.json: added[0]"));
  };
  const added_token t = of(R"({"id": 7, "content": "<x>", "special": true, "lstrip": true})");
  CHECK((t.id == 7 && t.special && t.lstrip && !t.rstrip && !t.normalized));
  CHECK(of(R"({"id": 7, "content": "x", "special": false})").normalized);
  CHECK(mentions(message_of([&] { of(R"({"id": 7, "content": ""})"); }), "\"content\" is empty"));
  CHECK(mentions(message_of([&] { of(R"({"content": "x"})"); }), "\"id\" is missing"));
  CHECK(mentions(message_of([&] { of(R"({"id": -1, "content": "x"})"); }), "\"id\" is -1"));
  CHECK(mentions(message_of([&] { of(R"({"id": 1, "content": "x", "bold": true})"); }),
                 "unknown key \"bold\""));
}
