// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Charts of anything, also of nothing, and what they refuse.

#include <cmath>
#include <limits>

#include "catch.hpp"

#include <dsr1/monitor/curve.hpp>

using namespace dsr1;

namespace {

std::size_t count(const std::string& s, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = s.find(part); at != std::string::npos; at = s.find(part, at + 1)) ++n;
  return n;
}

std::string one(std::vector<std::pair<double, double>> points, const curve_options& o = {},
                double smoothing = 0) {
  const std::vector<curve_series> list{{"loss", std::move(points), smoothing}};
  return curve_svg(list, o);
}

}  // namespace

TEST_CASE("curve_svg: axes, labels, legend") {
  const std::vector<curve_series> two{{"train & more", {{0, 4}, {100, 2}}},
                                      {"held out", {{50, 3}, {100, 2.5}}}};
  const std::string s = curve_svg(two, {.title = "Loss", .x = "step", .y = "nats"});
  CHECK(mentions(s, ">Loss<", ">step<", ">nats<", "train &amp; more", "held out", ">100<", ">2.5<",
                 "#0072b2", "#d55e00"));
  CHECK(s.find("nan") == std::string::npos);
}

TEST_CASE("curve_svg: NaN breaks the line, infinities are left out") {
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  const std::string s = one({{0, 1}, {1, 2}, {2, nan}, {3, 2}, {4, inf}, {5, 1}, {6, 1}});
  const std::size_t from = s.find("<path d=\"M");
  const std::string path = s.substr(from, s.find("\" fill", from) - from);
  CHECK(count(path, "M") == 3);
  CHECK(path.find("nan") == std::string::npos);
}

TEST_CASE("curve_svg: nothing, one point, constants, negative values") {
  for (const bool log_y : {false, true}) {
    const curve_options o{.log_y = log_y};
    CHECK(mentions(one({}, o), "</svg>"));
    CHECK(mentions(one({{5, 3}}, o), "</svg>"));
    CHECK(mentions(one({{0, 3}, {9, 3}}, o), "</svg>"));
    CHECK(mentions(one({{0, -3}, {9, 0}}, o), "</svg>"));
    CHECK(one({{0, 1e-9}, {9, 1e9}}, o).find("nan") == std::string::npos);
  }
}

TEST_CASE("curve_svg: a long series costs no more than its pixels") {
  std::vector<std::pair<double, double>> points;
  for (int i = 0; i < 200000; ++i)
    points.emplace_back(i, std::sin(i * 0.01) + (i == 77777 ? 5 : 0));
  const std::string s = one(points);
  CHECK(s.size() < 60000);
  CHECK(mentions(s, ">4<"));  // the spike is not lost
}

TEST_CASE("curve_svg: smoothing draws the mean over the raw line") {
  CHECK(count(one({{0, 1}, {1, 2}}, {}, 0.9), "stroke-opacity=\"0.3\"") == 1);
  const auto mean = curve_detail::smoothed({{0, 1}, {1, 3}, {2, std::nan("")}, {3, 3}}, 0.5);
  CHECK(mean[0].second == 1);
  CHECK(mean[1].second == Approx((0.5 * 1 + 3) / 1.5));
  CHECK(std::isnan(mean[2].second));
  CHECK(mean[3].second == Approx((0.25 * 1 + 0.5 * 3 + 3) / 1.75));
}

TEST_CASE("curve_svg: what it refuses") {
  CHECK(mentions(message_of([] { curve_svg({}); }), "no series"));
  CHECK(mentions(message_of([] {
                   one({{0, 1}}, {}, 1);
                 }),
                 "smoothing of \"loss\" is 1, expected 0 to below 1"));
}
