// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Canonical composition by utf8proc, for the Unicode version that the reference normalises with.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>

#include <utf8proc.h>

#include <dsr1/core/error.hpp>
#include <dsr1/text/utf8.hpp>

namespace dsr1 {
namespace text_detail {

/// Code points after Unicode 10 that combine or compose. The reference does not know them: to it
/// they are letters that stay where they are.
struct young_marks {
  std::int32_t first, last;
};
// clang-format off
inline constexpr young_marks marks_after_unicode_10[] = {
 {0x07FD, 0x07FD}, {0x0897, 0x089F}, {0x08CA, 0x08D3}, {0x09FE, 0x09FE}, {0x0C3C, 0x0C3C},
 {0x0CF3, 0x0CF3}, {0x0D3B, 0x0D3C}, {0x0EBA, 0x0EBA}, {0x0ECE, 0x0ECE}, {0x1715, 0x1715},
 {0x1ABF, 0x1ACE}, {0x1DF6, 0x1DFA}, {0xA82C, 0xA82C}, {0x105C0, 0x105F3}, {0x10D24, 0x10D27},
 {0x10D69, 0x10D6D}, {0x10EAB, 0x10EAC}, {0x10EFC, 0x10EFF}, {0x10F46, 0x10F50}, {0x10F82,
 0x10F85}, {0x11070, 0x11070}, {0x11241, 0x11241}, {0x1133B, 0x1133B}, {0x11380, 0x11389},
 {0x1138B, 0x1138B}, {0x1138E, 0x1138E}, {0x11390, 0x113B5}, {0x113B7, 0x113C0}, {0x113C2,
 0x113C2}, {0x113C5, 0x113C5}, {0x113C7, 0x113CA}, {0x113CC, 0x113D5}, {0x113D7, 0x113D8},
 {0x113E1, 0x113E2}, {0x1145E, 0x1145E}, {0x11839, 0x1183A}, {0x11930, 0x11930}, {0x11935,
 0x11935}, {0x11938, 0x11938}, {0x1193D, 0x1193E}, {0x11943, 0x11943}, {0x119E0, 0x119E0},
 {0x11A34, 0x11A34}, {0x11A47, 0x11A47}, {0x11A99, 0x11A99}, {0x11D42, 0x11D42}, {0x11D44,
 0x11D45}, {0x11D97, 0x11D97}, {0x11F00, 0x11F01}, {0x11F03, 0x11F03}, {0x11F34, 0x11F3A},
 {0x11F3E, 0x11F42}, {0x11F5A, 0x11F5A}, {0x13440, 0x13440}, {0x13447, 0x13455}, {0x16100,
 0x16139}, {0x16D40, 0x16D79}, {0x16FF0, 0x16FF1}, {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136},
 {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF}, {0x1E4EC, 0x1E4EF}, {0x1E5EE, 0x1E5EF}};
// clang-format on

inline bool is_young_mark(std::int32_t code_point) {
  const auto* after = std::upper_bound(
      std::begin(marks_after_unicode_10), std::end(marks_after_unicode_10), code_point,
      [](std::int32_t c, const young_marks& m) { return c < m.first; });
  return after != std::begin(marks_after_unicode_10) && code_point <= std::prev(after)->last;
}

/// U+11A7 is where Hangul finals would begin and is none; utf8proc up to 2.8 takes it for one.
inline bool stands_alone(std::int32_t code_point) {
  return code_point == 0x11A7 || is_young_mark(code_point);
}

inline void append_composed(std::string& out, std::string_view text) {
  if (text.empty()) return;
  utf8proc_uint8_t* result = nullptr;
  const utf8proc_ssize_t length =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &result,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  expects(length >= 0, "NFC: ", utf8proc_errmsg(length));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(result, &std::free);
  out.append(reinterpret_cast<const char*>(result), static_cast<std::size_t>(length));
}

}  // namespace text_detail

/// Normalization form C of well-formed UTF-8, as of Unicode 10. ASCII is copied; the rest goes
/// through utf8proc in stretches that begin with the ASCII character before them.
inline std::string nfc(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::size_t done = 0;
  for (std::size_t at = 0; (at = skip_ascii(text, at)) < text.size();) {
    std::size_t begin = std::max(done, at > 0 ? at - 1 : 0);
    out.append(text, done, begin - done);
    while (at < text.size() && static_cast<unsigned char>(text[at]) >= 0x80) {
      const utf8_unit u = utf8_at(text, at);
      if (text_detail::stands_alone(u.code_point)) {
        text_detail::append_composed(out, text.substr(begin, at - begin));
        out.append(text, at, u.bytes);
        begin = at + u.bytes;
      }
      at += u.bytes;
    }
    text_detail::append_composed(out, text.substr(begin, at - begin));
    done = at;
  }
  return out.append(text, done);
}

}  // namespace dsr1
