// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Bytes that anyone may have written, as they may stand in a message.
#pragma once

#include <string>
#include <string_view>

namespace dsr1 {

/// The bytes, those that do not print as \xHH, and those of `escaped` too; only the first `most` of
/// them, followed by "..." when there are more.
inline std::string printable(std::string_view bytes, std::size_t most = 200,
                             std::string_view escaped = "") {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string out;
  for (const char c : bytes.substr(0, most)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte > 0x7e || escaped.find(c) != std::string_view::npos) {
      out += "\\x";
      out += hex[byte >> 4];
      out += hex[byte & 15];
    } else {
      out += c;
    }
  }
  if (bytes.size() > most) out += "...";
  return out;
}

/// The same between quotation marks; quotation marks and backslashes are escaped too.
inline std::string in_quotes(std::string_view bytes, std::size_t most = 60) {
  std::string out = '"' + printable(bytes.substr(0, most), most, "\"\\") + '"';
  if (bytes.size() > most) out += "...";
  return out;
}

/// What stands at a place of a text, for messages: the byte quoted, or "the end".
inline std::string quoted_at(std::string_view bytes, std::size_t place) {
  return place < bytes.size() ? in_quotes(bytes.substr(place, 1)) : std::string("the end");
}

}  // namespace dsr1
