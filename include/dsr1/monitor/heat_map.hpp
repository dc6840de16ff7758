// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Which experts work and which are idle: the layer x expert matrix as a picture.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include <dsr1/moe/metrics.hpp>
#include <dsr1/monitor/svg.hpp>
#include <dsr1/monitor/terminal.hpp>

namespace dsr1 {

namespace heat {

/// Loads of a quarter of the mean and below, and of four times and above, look the same.
inline constexpr double limit = 2;  // in powers of two

/// -1 (quarter) to 1 (four times), 0 is the mean; below -1 for an expert without a token.
inline double level(double relative) {
  return relative > 0 ? std::clamp(std::log2(relative) / limit, -1.0, 1.0) : -2;
}

/// Blue below the mean, white at it, red above (ColorBrewer RdBu, readable to the colour-blind);
/// nearly black for no token at all.
inline rgb colour(double at) {
  constexpr double stops[5][3] = {
      {33, 102, 172}, {146, 197, 222}, {247, 247, 247}, {244, 165, 130}, {178, 24, 43}};
  if (at < -1) return {35, 35, 35};
  const double x = (at + 1) * 2;
  const int i = std::min(static_cast<int>(x), 3);
  const auto mix = [&](int c) {
    return static_cast<std::uint8_t>(
        std::lround(stops[i][c] + (x - i) * (stops[i + 1][c] - stops[i][c])));
  };
  return {mix(0), mix(1), mix(2)};
}

/// The level of experts [first, first + count): the one farthest from the mean, so that an idle
/// expert is not hidden by its neighbours.
inline double level(const load_matrix& load, index_t layer, index_t first, index_t count) {
  double worst = 0;
  for (index_t e = first; e < std::min(first + count, load.experts); ++e) {
    const double l = level(load.relative(layer, e));
    if (std::abs(l) > std::abs(worst)) worst = l;
  }
  return worst;
}

inline std::string summary(const load_matrix& load, index_t layer) {
  const balance_metrics m = balance_of(load.row(layer));
  return "MaxVio " + fixed_text(m.max_violation, 2) +
         (m.dead > 0 ? text(", ", m.dead, " idle") : "");
}

/// "layer 3": the position, because the parameter's name is long.
inline std::string row_name(index_t layer) { return text("layer ", layer); }

/// Throws `error` when the matrix has no layers, no experts, or not layers x experts numbers.
inline void check(const load_matrix& load) {
  const auto layers = static_cast<index_t>(load.layers.size());
  expects(layers > 0 && load.experts > 0 &&
              static_cast<index_t>(load.counts.size()) == layers * load.experts,
          "heat map of ", layers, " layers of ", load.experts, " experts with ", load.counts.size(),
          " numbers");
}

}  // namespace heat

/// The matrix as lines of text that fit the terminal: coloured cells where there are colours (two
/// experts to a character when there are many), else the load as blocks or letters.
/// Throws `error` when the matrix is empty.
inline std::string heat_map_text(const load_matrix& load, const terminal& where,
                                 std::string_view title = "") {
  heat::check(load);
  const auto layers = static_cast<index_t>(load.layers.size());
  int names = 0, notes = 0;
  for (index_t l = 0; l < layers; ++l) {
    names = std::max(names, display_width(heat::row_name(l)));
    notes = std::max(notes, display_width(heat::summary(load, l)));
  }
  const index_t room = std::max(where.columns - names - notes - 4, 8);
  const bool coloured = where.colours > 0;
  // Two experts share a character only if that keeps each visible: it needs block characters.
  const bool halves = coloured && where.unicode && load.experts > room;
  const index_t width = load.experts * 2 <= room ? 2 : 1;  // characters per cell
  const index_t cells = room * (halves ? 2 : 1);
  const index_t group = ceil_div(load.experts, cells);
  const index_t shown = ceil_div(load.experts, group);
  const index_t characters = halves ? ceil_div(shown, 2) : shown * width;

  constexpr std::string_view blocks[] = {"\u2581", "\u2582", "\u2583", "\u2584",
                                         "\u2585", "\u2586", "\u2587", "\u2588"};
  constexpr std::string_view letters = ".:-=+*#@";
  const auto glyph = [&](double at) {
    if (at < -1) return std::string("x");
    const auto i = static_cast<std::size_t>(std::lround((at + 1) / 2 * 7));
    return where.unicode ? std::string(blocks[i]) : std::string(1, letters[i]);
  };
  const std::string off = colour_end(where);

  std::string out;
  if (!title.empty()) out += std::string(title) + "\n";
  for (index_t l = 0; l < layers; ++l) {
    const std::string name = heat::row_name(l);
    out += std::string(static_cast<std::size_t>(names - display_width(name)), ' ') + name + " ";
    const auto at = [&](index_t cell) { return heat::level(load, l, cell * group, group); };
    for (index_t c = 0; c < shown; ++c) {
      if (halves) {
        out += colour_code(where, 38, heat::colour(at(c)));
        if (c + 1 < shown)
          out += colour_code(where, 48, heat::colour(at(c + 1)));
        else
          out += "\x1b[49m";
        out += "\u258c";  // left half
        ++c;
      } else if (coloured) {
        out += colour_code(where, 48, heat::colour(at(c))) +
               std::string(static_cast<std::size_t>(width), ' ');
      } else {
        for (index_t i = 0; i < width; ++i) out += glyph(at(c));
      }
    }
    out += off + "  " + heat::summary(load, l) + "\n";
  }
  std::string axis = "0";
  const std::string last = text(load.experts - 1);
  const auto gap = static_cast<std::size_t>(
      std::max<index_t>(characters - 1 - static_cast<index_t>(last.size()), 1));
  if (load.experts > 1) axis += std::string(gap, ' ') + last;
  out +=
      std::string(static_cast<std::size_t>(std::max(names - 6, 0)), ' ') + "expert " + axis + "\n";

  out += std::string(static_cast<std::size_t>(names) + 1, ' ') + "load / mean: ";
  for (const double relative : {0.0, 0.25, 0.5, 1.0, 2.0, 4.0}) {
    const double l = heat::level(relative);
    if (coloured)
      out += colour_code(where, 48, heat::colour(l)) + "  " + off;
    else
      out += glyph(l);
    out += relative == 0      ? " none  "
           : relative == 0.25 ? " 1/4  "
           : relative == 0.5  ? " 1/2  "
                              : text(" ", relative, "  ");
  }
  while (out.back() == ' ') out.pop_back();
  if (group > 1)
    out += "\n" + std::string(static_cast<std::size_t>(names) + 1, ' ') +
           text("a cell is ", group, " experts: the one farthest from the mean");
  return out + "\n";
}

/// The matrix as a picture that stands alone. Throws `error` when the matrix is empty.
inline std::string heat_map_svg(const load_matrix& load,
                                std::string_view title = "Load of the experts") {
  heat::check(load);
  const auto layers = static_cast<index_t>(load.layers.size());
  const double cell = std::clamp(880.0 / static_cast<double>(load.experts), 2.0, 28.0);
  const double height = std::clamp(420.0 / static_cast<double>(layers), 8.0, 26.0);
  const double left = 76, top = 52, legend_width = 260;
  const double plot_width = std::max(cell * static_cast<double>(load.experts), legend_width);
  const double bottom = top + height * static_cast<double>(layers);

  std::string body = svg::label(left, 26, title, "font-size=\"17\" fill=\"#111\"");
  body += "<g shape-rendering=\"crispEdges\">\n";
  for (index_t l = 0; l < layers; ++l) {
    const double y = top + height * static_cast<double>(l);
    for (index_t e = 0; e < load.experts; ++e) {
      const rgb c = heat::colour(heat::level(load.relative(l, e)));
      index_t run = 1;  // neighbours of one colour are one rectangle
      while (e + run < load.experts && heat::colour(heat::level(load.relative(l, e + run))) == c)
        ++run;
      body += svg::rectangle(left + cell * static_cast<double>(e), y,
                             cell * static_cast<double>(run), height, c);
      e += run - 1;
    }
  }
  if (height >= 12 && layers > 1)  // a hair of white between the layers
    for (index_t l = 1; l < layers; ++l)
      body += svg::line(left, top + height * static_cast<double>(l),
                        left + cell * static_cast<double>(load.experts),
                        top + height * static_cast<double>(l), "#fff");
  body += text("<rect x=\"", svg::number(left), "\" y=\"", svg::number(top), "\" width=\"",
               svg::number(cell * static_cast<double>(load.experts)), "\" height=\"",
               svg::number(bottom - top), "\" fill=\"none\" stroke=\"#888\"/>\n</g>\n");

  const index_t every =
      ceil_div(layers, std::max<index_t>(static_cast<index_t>((bottom - top) / 13), 1));
  for (index_t l = 0; l < layers; l += every) {
    const double y = top + height * (static_cast<double>(l) + 0.5) + 4;
    body += svg::label(left - 8, y, heat::row_name(l), "text-anchor=\"end\"");
    if (every == 1)
      body += svg::label(left + cell * static_cast<double>(load.experts) + 10, y,
                         heat::summary(load, l));
  }
  for (const double t : svg::ticks(0, static_cast<double>(load.experts - 1), 12)) {
    if (t != std::floor(t)) continue;
    const double x = left + cell * (t + 0.5);
    body += svg::line(x, bottom, x, bottom + 5, "#888") +
            svg::label(x, bottom + 18, svg::tick_text(t), "text-anchor=\"middle\"");
  }
  body += svg::label(left + cell * static_cast<double>(load.experts) / 2, bottom + 38, "expert",
                     "text-anchor=\"middle\"");

  const double y = bottom + 58, bar = 160, from = left + 62;
  body += svg::label(from - 8, y + 10, "load / mean", "text-anchor=\"end\"");
  body += "<g shape-rendering=\"crispEdges\">\n";
  for (int i = 0; i < 80; ++i)
    body += svg::rectangle(from + i * bar / 80, y, bar / 80, 12, heat::colour((i + 0.5) / 40 - 1));
  body += svg::rectangle(from + bar + 24, y, 14, 12, heat::colour(-2)) + "</g>\n";
  for (int i = 0; i < 5; ++i) {
    constexpr std::string_view names[] = {"\u2264 \u00bc", "\u00bd", "1", "2", "\u2265 4"};
    const double x = from + i * bar / 4;
    body += svg::line(x, y + 12, x, y + 16, "#888") +
            svg::label(x, y + 28, names[i], "text-anchor=\"middle\"");
  }
  body += svg::label(from + bar + 44, y + 10, "no token");
  return svg::document(left + plot_width + (every == 1 ? 150 : 24), y + 42, body);
}

}  // namespace dsr1
