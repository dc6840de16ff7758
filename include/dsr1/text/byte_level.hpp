// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The alphabet of byte-level tokenizers: every byte has a character that can be seen.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <dsr1/text/utf8.hpp>

namespace dsr1 {

/// The code point that stands for each byte: itself for the visible characters of Latin-1, the
/// others follow from U+0100 on (so a space is U+0120). As in GPT-2.
inline constexpr std::array<std::int32_t, 256> byte_characters = [] {
  std::array<std::int32_t, 256> out = {};
  std::int32_t next = 256;
  for (std::int32_t b = 0; b < 256; ++b) {
    const bool visible = (b >= '!' && b <= '~') || (b >= 0xA1 && b != 0xAD);
    out[static_cast<std::size_t>(b)] = visible ? b : next++;
  }
  return out;
}();

/// Code point to byte; -1 for what stands for no byte. The last character is U+0143.
inline constexpr std::array<std::int16_t, 324> character_bytes = [] {
  std::array<std::int16_t, 324> out = {};
  for (auto& b : out) b = -1;
  for (std::size_t b = 0; b < 256; ++b)
    out[static_cast<std::size_t>(byte_characters[b])] = static_cast<std::int16_t>(b);
  return out;
}();

/// The bytes that a well-formed token stands for; nothing when one of its characters is no byte.
inline std::optional<std::string> bytes_of_characters(std::string_view token) {
  std::string out;
  for (std::size_t at = 0; at < token.size();) {
    const utf8_unit u = utf8_at(token, at);
    const auto c = static_cast<std::size_t>(u.code_point);
    if (c >= character_bytes.size() || character_bytes[c] < 0) return std::nullopt;
    out += static_cast<char>(character_bytes[c]);
    at += u.bytes;
  }
  return out;
}

}  // namespace dsr1
