// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The few things that pictures need: elements, escaped text, round tick values, a file.
#pragma once

#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include <dsr1/monitor/terminal.hpp>

namespace dsr1::svg {

/// Text between tags or in a quoted attribute. Control characters, which XML forbids, become
/// blanks.
inline std::string escaped(std::string_view s) {
  std::string out;
  for (const char c : s) {
    if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '&')
      out += "&amp;";
    else if (c == '"')
      out += "&quot;";
    else
      out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out;
}

/// A coordinate with at most two digits after the point.
inline std::string number(double value) {
  std::string s = fixed_text(std::isfinite(value) ? value : 0, 2);
  s.erase(s.find_last_not_of('0') + 1);
  if (s.back() == '.') s.pop_back();
  return s == "-0" ? "0" : s;
}

inline std::string hex(rgb c) {
  const auto two = [](unsigned v) {
    return std::string{"0123456789abcdef"[v >> 4], "0123456789abcdef"[v & 15]};
  };
  return "#" + two(c.red) + two(c.green) + two(c.blue);
}

/// A label. `more` holds further attributes, such as text-anchor="middle".
inline std::string label(double x, double y, std::string_view words, std::string_view more = "") {
  return text("<text x=\"", number(x), "\" y=\"", number(y), "\" ", more, ">", escaped(words),
              "</text>\n");
}

inline std::string rectangle(double x, double y, double width, double height, rgb fill,
                             std::string_view more = "") {
  return text("<rect x=\"", number(x), "\" y=\"", number(y), "\" width=\"", number(width),
              "\" height=\"", number(height), "\" fill=\"", hex(fill), "\" ", more, "/>\n");
}

inline std::string line(double x1, double y1, double x2, double y2, std::string_view stroke) {
  return text("<line x1=\"", number(x1), "\" y1=\"", number(y1), "\" x2=\"", number(x2), "\" y2=\"",
              number(y2), "\" stroke=\"", stroke, "\"/>\n");
}

/// A whole picture on a white ground, readable alone.
inline std::string document(double width, double height, std::string_view body) {
  return text("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", number(width), "\" height=\"",
              number(height), "\" viewBox=\"0 0 ", number(width), " ", number(height),
              "\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" font-size=\"12\" "
              "fill=\"#333\">\n",
              rectangle(0, 0, width, height, {255, 255, 255}), body, "</svg>\n");
}

/// About `count` round values (1, 2 or 5 times a power of ten apart) inside [low, high].
inline std::vector<double> ticks(double low, double high, int count) {
  std::vector<double> out;
  const double raw = (high - low) / std::max(count, 1);
  if (!(raw > 0) || !std::isfinite(raw)) return {low};
  const double power = std::pow(10, std::floor(std::log10(raw)));
  const double ratio = raw / power;
  const double step = power * (ratio <= 1 ? 1 : ratio <= 2 ? 2 : ratio <= 5 ? 5 : 10);
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; ++k)
    out.push_back(k * step);
  return out;
}

/// 1, 2 and 5 times the powers of ten inside [low, high], for a logarithmic axis.
inline std::vector<double> log_ticks(double low, double high) {
  std::vector<double> out;
  const auto first = std::lround(std::floor(std::log10(low)));
  for (long power = first; std::pow(10, power) <= high; ++power)
    for (const double m : {1.0, 2.0, 5.0}) {
      const double tick = m * std::pow(10, power);
      if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) out.push_back(tick);
    }
  return out;
}

/// A tick's value without useless digits: 0.05, 2.5, 300, 12k.
inline std::string tick_text(double value) {
  const double size = std::abs(value);
  if (size < 1e-12) return "0";
  if (size >= 10000) {
    const bool mega = size >= 1e6;
    return number(value / (mega ? 1e6 : 1e3)) + (mega ? "M" : "k");
  }
  if (size >= 0.01) {
    std::string s = fixed_text(value, 4);
    s.erase(s.find_last_not_of('0') + 1);
    if (s.back() == '.') s.pop_back();
    return s;
  }
  const double exponent = std::floor(std::log10(size) + 1e-9);
  return number(value / std::pow(10, exponent)) + "e" + number(exponent);
}

}  // namespace dsr1::svg
