// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What the place that text goes to can show: width, colours, block characters; and short numbers.
#pragma once

#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

/// The default is a log file: no cursor to move, no colours, no block characters.
struct terminal {
  bool interactive = false;  ///< a line can be drawn over
  int columns = 100;
  int colours = 0;       ///< 0, 256 or 2^24
  bool unicode = false;  ///< shows UTF-8
};

/// What file descriptor `file` is. Obeys NO_COLOR, COLORTERM, TERM and the locale's variables.
inline terminal terminal_of(int file) {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string_view(value ? value : "");
  };
  terminal t;
  const std::string_view kind = variable("TERM"), depth = variable("COLORTERM");
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string_view locale = variable(name);
    if (locale.empty()) continue;
    t.unicode = locale.find("UTF-8") != std::string_view::npos ||
                locale.find("utf8") != std::string_view::npos;
    break;
  }
  t.interactive = ::isatty(file) == 1 && kind != "dumb";
  if (!t.interactive) return t;
  if (variable("NO_COLOR").empty())
    t.colours = depth == "truecolor" || depth == "24bit" ? 1 << 24 : 256;
  ::winsize size = {};
  if (::ioctl(file, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) t.columns = size.ws_col;
  return t;
}

struct rgb {
  std::uint8_t red = 0, green = 0, blue = 0;
  bool operator==(const rgb&) const = default;
};

/// The escape sequence that sets the text (38) or background (48) colour; "" without colours.
inline std::string colour_code(const terminal& t, int what, rgb c) {
  if (t.colours == 0) return "";
  if (t.colours > 256) return text("\x1b[", what, ";2;", +c.red, ";", +c.green, ";", +c.blue, "m");
  const auto level = [](std::uint8_t v) { return v < 48 ? 0 : v < 115 ? 1 : (v - 35) / 40; };
  return text("\x1b[", what, ";5;", 16 + 36 * level(c.red) + 6 * level(c.green) + level(c.blue),
              "m");
}

inline std::string colour_end(const terminal& t) { return t.colours == 0 ? "" : "\x1b[0m"; }

/// Columns that UTF-8 text takes when each character takes one.
inline int display_width(std::string_view s) {
  int n = 0;
  for (const char c : s) n += (static_cast<unsigned char>(c) & 0xC0u) != 0x80u;
  return n;
}

/// The first `columns` columns of UTF-8 text.
inline std::string_view display_head(std::string_view s, int columns) {
  std::size_t i = 0;
  for (; i < s.size(); ++i)
    if ((static_cast<unsigned char>(s[i]) & 0xC0u) != 0x80u && columns-- <= 0) break;
  return s.substr(0, i);
}

/// A number with `decimals` digits after the point; the same in every locale.
inline std::string fixed_text(double value, int decimals) {
  if (!std::isfinite(value)) return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
  std::array<char, 400> buffer;
  const auto r = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                               std::chars_format::fixed, decimals);
  return {buffer.data(), r.ptr};
}

/// Three digits and a unit: 0.5, 12.3k, 4.56M.
inline std::string short_number(double value) {
  if (!std::isfinite(value)) return fixed_text(value, 0);
  constexpr std::string_view units = " kMGTP";
  std::size_t unit = 0;
  while (std::abs(value) >= 999.5 && unit + 1 < units.size()) {
    value /= 1000;
    ++unit;
  }
  const double size = std::abs(value);
  std::string out = fixed_text(value, unit == 0 && size == std::floor(size) ? 0
                                      : size < 9.995                        ? 2
                                      : size < 99.95                        ? 1
                                                                            : 0);
  if (unit > 0) out += units[unit];
  return out;
}

/// 0:05, 1:02:03, 2d 03:04.
inline std::string duration_text(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "?";
  const auto s = static_cast<index_t>(std::llround(seconds));
  const auto two = [](index_t n) { return text(n / 10, n % 10); };
  if (s < 3600) return text(s / 60, ":", two(s % 60));
  if (s < 86400) return text(s / 3600, ":", two(s / 60 % 60), ":", two(s % 60));
  return text(s / 86400, "d ", two(s / 3600 % 24), ":", two(s / 60 % 60));
}

}  // namespace dsr1
