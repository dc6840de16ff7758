// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// One token per byte: there and back, and what is refused.

#include <string>
#include <vector>

#include "catch.hpp"

#include <dsr1/rl/arithmetic.hpp>
#include <dsr1/rl/text_codec.hpp>

using namespace dsr1;
static_assert(text_codec<character_codec>);
static_assert(!text_codec<std::string>);

TEST_CASE("text_codec: there and back") {
  const character_codec codec("abc");
  CHECK(codec.vocab() == 4);
  CHECK(codec.end() == 0);
  const std::vector<std::int32_t> ids = codec.encode("cab");
  CHECK(ids == std::vector<std::int32_t>{3, 1, 2});
  CHECK(codec.decode(ids) == "cab");
  CHECK(codec.decode(std::vector<std::int32_t>{0, 3, 0, 1}) == "ca");
  CHECK(codec.encode("").empty());

  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  const character_codec bytes(all);
  CHECK(bytes.vocab() == 257);
  CHECK(bytes.decode(bytes.encode(all)) == all);
}

TEST_CASE("text_codec: the text of a task") {
  const arithmetic t({.operators = "+-*"});
  const character_codec codec(t.alphabet());
  for (std::uint64_t i = 0; i < 100; ++i) {
    const auto p = t.sample(split::test, i);
    CHECK(codec.decode(codec.encode(p.prompt + p.solution)) == p.prompt + p.solution);
  }
}

TEST_CASE("text_codec: what is refused") {
  CHECK(message_of([] { character_codec("aba"); }) ==
        "character_codec: byte 97 stands twice in the alphabet");
  const character_codec codec("ab");
  CHECK(message_of([&] { codec.encode("abz"); }) ==
        "character_codec: byte 122 at place 2 is not in the alphabet \"ab\"");
  CHECK(message_of([&] { codec.encode(std::string(1, '\xff')); }) ==
        "character_codec: byte 255 at place 0 is not in the alphabet \"ab\"");
  CHECK(message_of([&] { codec.decode(std::vector<std::int32_t>{3}); }) ==
        "character_codec: token 3, expected 0 to 2");
  CHECK(message_of([&] { codec.decode(std::vector<std::int32_t>{-1}); }) ==
        "character_codec: token -1, expected 0 to 2");
}
