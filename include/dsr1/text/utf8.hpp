// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// UTF-8 as tokenizers see it: characters, what is no character, and what is not one yet.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace dsr1 {

/// What stands at a place of a text: a character, or the bytes that one U+FFFD stands for (the
/// "maximal subpart" of the Unicode standard, section 3.9: what could have begun a character).
struct utf8_unit {
  std::int32_t code_point = -1;  ///< -1: no character
  std::uint8_t bytes = 0;        ///< 1 to 4
  bool cut = false;              ///< the text ends before the character does

  bool whole() const { return code_point >= 0; }
};

inline constexpr std::string_view replacement_character = "\xEF\xBF\xBD";

/// Needs at < text.size(). RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
inline utf8_unit utf8_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {static_cast<std::int32_t>(lead), 1};
  const std::size_t length = lead < 0xC2   ? 1
                             : lead < 0xE0 ? 2
                             : lead < 0xF0 ? 3
                             : lead < 0xF5 ? 4
                                           : 1;
  if (length == 1) return {-1, 1};
  unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  std::uint32_t code = lead & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i, low = 0x80, high = 0xBF) {
    if (at + i == text.size()) return {-1, static_cast<std::uint8_t>(i), true};
    if (byte(i) < low || byte(i) > high) return {-1, static_cast<std::uint8_t>(i)};
    code = code << 6 | (byte(i) & 0x3Fu);
  }
  return {static_cast<std::int32_t>(code), static_cast<std::uint8_t>(length)};
}

/// The first place at or after `at` whose byte is not ASCII; the end when there is none.
inline std::size_t skip_ascii(std::string_view text, std::size_t at) {
  for (std::uint64_t eight; at + sizeof eight <= text.size(); at += sizeof eight) {
    std::memcpy(&eight, text.data() + at, sizeof eight);
    if ((eight & 0x8080808080808080u) != 0) break;
  }
  while (at < text.size() && static_cast<unsigned char>(text[at]) < 0x80) ++at;
  return at;
}

/// The first place at or after `at` that is no character; the end when all are.
inline std::size_t first_ill_formed(std::string_view text, std::size_t at = 0) {
  while ((at = skip_ascii(text, at)) < text.size()) {
    const utf8_unit u = utf8_at(text, at);
    if (!u.whole()) return at;
    at += u.bytes;
  }
  return at;
}

/// Appends the text, with one U+FFFD for every maximal subpart of an ill-formed sequence.
inline void append_well_formed(std::string& out, std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bad = first_ill_formed(text, at);
    out.append(text, at, bad - at);
    if (bad == text.size()) return;
    out += replacement_character;
    at = bad + utf8_at(text, bad).bytes;
  }
}

inline void append_character(std::string& out, std::int32_t code_point) {
  const auto put = [&](int bits) {
    out += static_cast<char>(0x80 | ((code_point >> bits) & 0x3F));
  };
  if (code_point < 0x80) {
    out += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    out += static_cast<char>(0xC0 | (code_point >> 6));
    put(0);
  } else if (code_point < 0x10000) {
    out += static_cast<char>(0xE0 | (code_point >> 12));
    put(6), put(0);
  } else {
    out += static_cast<char>(0xF0 | (code_point >> 18));
    put(12), put(6), put(0);
  }
}

}  // namespace dsr1
