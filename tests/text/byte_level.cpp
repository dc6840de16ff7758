// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The alphabet of bytes.

#include <set>

#include "catch.hpp"

#include <dsr1/text/byte_level.hpp>

using namespace dsr1;

TEST_CASE("byte_level: 256 different visible characters, and back") {
  CHECK(std::set<std::int32_t>(byte_characters.begin(), byte_characters.end()).size() == 256);
  for (std::size_t b = 0; b < 256; ++b) {
    std::string character;
    append_character(character, byte_characters[b]);
    CHECK(bytes_of_characters(character) == std::string(1, static_cast<char>(b)));
  }
  CHECK(byte_characters[' '] == 0x120);
  CHECK(byte_characters['\n'] == 0x10A);
  CHECK(byte_characters[0xAD] == 0x143);
  CHECK(byte_characters['a'] == 'a');
}

TEST_CASE("byte_level: a token with any other character has no bytes") {
  CHECK(bytes_of_characters("\u0120the") == " the");
  CHECK(bytes_of_characters("") == "");
  CHECK_FALSE(bytes_of_characters("a b"));
  CHECK_FALSE(bytes_of_characters("x\u0144"));
  CHECK_FALSE(bytes_of_characters("\u4E2D"));
}
