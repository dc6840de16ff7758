// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Numbers over steps as a line chart: loss curves.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <dsr1/monitor/svg.hpp>

namespace dsr1 {

struct curve_series {
  std::string name;
  std::vector<std::pair<double, double>> points = {};  ///< ascending in x; a NaN breaks the line
  double smoothing =
      0;  ///< above 0 and below 1: an exponential mean is drawn over the faint raw line
};

struct curve_options {
  std::string title = "";
  std::string x = "step";  ///< label
  std::string y = "";      ///< label
  bool log_y = false;      ///< values that are not above zero are left out
  double width = 860;
  double height = 460;
};

namespace curve_detail {

struct range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void add(double v) {
    low = std::min(low, v);
    high = std::max(high, v);
  }
  /// Never empty: a single value gets room around it.
  void open() {
    if (!(low <= high)) low = 0, high = 1;
    if (low == high) {
      const double room = low == 0 ? 1 : std::abs(low) * 0.1;
      low -= room;
      high += room;
    }
  }
};

inline bool drawable(const std::pair<double, double>& p, bool log_y) {
  return std::isfinite(p.first) && std::isfinite(p.second) && (!log_y || p.second > 0);
}

/// Mean of the values so far with weights smoothing^age, so that the beginning is not biased.
inline std::vector<std::pair<double, double>> smoothed(
    const std::vector<std::pair<double, double>>& points, double smoothing) {
  auto out = points;
  double sum = 0, weight = 0;
  for (auto& [x, y] : out) {
    if (!std::isfinite(y)) continue;
    sum = sum * smoothing + y;
    weight = weight * smoothing + 1;
    y = sum / weight;
  }
  return out;
}

}  // namespace curve_detail

/// The chart of the series, with axes, ticks, grid and legend. Series with more points than pixels
/// are drawn by their least and greatest value in each column. Throws `error` when there is no
/// series, or when smoothing is not 0 or above and below 1.
inline std::string curve_svg(std::span<const curve_series> series, const curve_options& o = {}) {
  using curve_detail::range;
  expects(!series.empty(), "curve: no series, expected at least one");
  range x, y;
  for (const curve_series& s : series) {
    expects(s.smoothing >= 0 && s.smoothing < 1, "curve: smoothing of \"", s.name, "\" is ",
            s.smoothing, ", expected 0 to below 1");
    for (const auto& p : s.points)
      if (curve_detail::drawable(p, o.log_y)) x.add(p.first), y.add(p.second);
  }
  x.open();
  if (o.log_y && !(y.low <= y.high)) y.low = 0.1, y.high = 10;
  if (o.log_y && y.low == y.high) y.low /= 2, y.high *= 2;
  y.open();
  const double margin = o.log_y ? std::pow(y.high / y.low, 0.04) : (y.high - y.low) * 0.04;
  y.low = o.log_y ? y.low / margin : y.low - margin;
  y.high = o.log_y ? y.high * margin : y.high + margin;

  const double left = 70, right = 22, top = o.title.empty() ? 44 : 72, bottom = 52;
  const double width = o.width - left - right, height = o.height - top - bottom;
  const auto place_x = [&](double v) { return left + width * (v - x.low) / (x.high - x.low); };
  const auto place_y = [&](double v) {
    const double t =
        o.log_y ? std::log(v / y.low) / std::log(y.high / y.low) : (v - y.low) / (y.high - y.low);
    return top + height * (1 - t);
  };

  std::string body;
  if (!o.title.empty()) body += svg::label(left, 28, o.title, "font-size=\"17\" fill=\"#111\"");
  std::vector<double> rows = o.log_y ? svg::log_ticks(y.low, y.high) : svg::ticks(y.low, y.high, 6);
  if (o.log_y && rows.size() > 10)  // decades only
    std::erase_if(
        rows, [](double v) { return std::abs(std::log10(v) - std::round(std::log10(v))) > 1e-6; });
  if (o.log_y && rows.size() < 4) rows = svg::ticks(y.low, y.high, 6);  // less than a decade
  for (const double v : rows)
    body += svg::line(left, place_y(v), left + width, place_y(v), "#e3e3e3") +
            svg::label(left - 8, place_y(v) + 4, svg::tick_text(v), "text-anchor=\"end\"");
  for (const double v : svg::ticks(x.low, x.high, 8))
    body += svg::line(place_x(v), top + height, place_x(v), top + height + 5, "#888") +
            svg::label(place_x(v), top + height + 19, svg::tick_text(v), "text-anchor=\"middle\"");
  body += svg::line(left, top, left, top + height, "#888") +
          svg::line(left, top + height, left + width, top + height, "#888");
  body += svg::label(left + width / 2, top + height + 40, o.x, "text-anchor=\"middle\"");
  const double middle = top + height / 2;
  body += svg::label(
      20, middle, o.y,
      text("text-anchor=\"middle\" transform=\"rotate(-90 20 ", svg::number(middle), ")\""));

  const auto path = [&](const std::vector<std::pair<double, double>>& points) {
    std::string d;
    bool pen = false;
    const auto to = [&](double px, double py) {
      d += (pen ? "L" : "M") + svg::number(px) + " " + svg::number(py);
      pen = true;
    };
    const bool dense = static_cast<double>(points.size()) > 2 * width;
    for (std::size_t i = 0; i < points.size();) {
      if (!curve_detail::drawable(points[i], o.log_y)) {
        pen = false;
        ++i;
        continue;
      }
      const double px = place_x(points[i].first);
      if (!dense) {
        to(px, place_y(points[i].second));
        ++i;
        continue;
      }
      range column;
      for (; i < points.size() && curve_detail::drawable(points[i], o.log_y) &&
             place_x(points[i].first) < px + 1;
           ++i)
        column.add(points[i].second);
      to(px, place_y(column.high));
      if (column.low < column.high) to(px, place_y(column.low));
    }
    return d;
  };
  // Okabe and Ito, "Color universal design", 2008.
  constexpr std::array<rgb, 7> palette = {{{0, 114, 178},
                                           {213, 94, 0},
                                           {0, 158, 115},
                                           {204, 121, 167},
                                           {86, 180, 233},
                                           {230, 159, 0},
                                           {0, 0, 0}}};
  double legend = left;
  for (std::size_t i = 0; i < series.size(); ++i) {
    const std::string stroke = svg::hex(palette[i % palette.size()]);
    const std::string dash = i < palette.size() ? "" : " stroke-dasharray=\"6 3\"";
    const auto draw = [&](const std::vector<std::pair<double, double>>& points, double thickness,
                          double opacity) {
      body += text("<path d=\"", path(points), "\" fill=\"none\" stroke=\"", stroke,
                   "\" stroke-width=\"", svg::number(thickness), "\" stroke-opacity=\"",
                   svg::number(opacity), "\" stroke-linejoin=\"round\"",
                   " stroke-linecap=\"round\"", dash, "/>\n");
    };
    const bool smooth = series[i].smoothing > 0;
    draw(series[i].points, smooth ? 1 : 1.7, smooth ? 0.3 : 1);
    if (smooth) draw(curve_detail::smoothed(series[i].points, series[i].smoothing), 2, 1);
    const double y_legend = top - 16;
    body += text("<path d=\"M", svg::number(legend), " ", svg::number(y_legend), "h22\" stroke=\"",
                 stroke, "\" stroke-width=\"2.5\"", dash, "/>\n");
    body += svg::label(legend + 28, y_legend + 4, series[i].name);
    legend += 28 + 7 * display_width(series[i].name) + 24;
  }
  return svg::document(o.width, o.height, body);
}

}  // namespace dsr1
