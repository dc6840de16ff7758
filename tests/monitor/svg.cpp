// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Escapes, numbers, ticks.

#include "catch.hpp"
#include "data/folder.hpp"

#include <dsr1/io/atomic_file.hpp>
#include <dsr1/monitor/svg.hpp>

using namespace dsr1;

TEST_CASE("svg: text cannot leave its place") {
  CHECK(svg::escaped("a<b> & \"c\"\x01\n") == "a&lt;b&gt; &amp; &quot;c&quot;  ");
  CHECK(mentions(svg::label(1, 2, "<script>"), "&lt;script&gt;", "x=\"1\" y=\"2\""));
}

TEST_CASE("svg: numbers and colours") {
  CHECK(svg::number(1.5) == "1.5");
  CHECK(svg::number(2) == "2");
  CHECK(svg::number(100) == "100");
  CHECK(svg::number(1.0 / 3) == "0.33");
  CHECK(svg::number(-0.001) == "0");
  CHECK(svg::number(0.0 / 0.0) == "0");
  CHECK(svg::hex({255, 10, 0}) == "#ff0a00");
}

TEST_CASE("svg: ticks are round and inside") {
  CHECK(svg::ticks(0, 10, 5) == std::vector<double>{0, 2, 4, 6, 8, 10});
  CHECK(svg::ticks(0, 127, 12).size() == 7);
  CHECK(svg::ticks(1.9, 2.1, 4).front() == Approx(1.9));
  CHECK(svg::ticks(3, 3, 5) == std::vector<double>{3});
  CHECK(svg::log_ticks(0.9, 100) == std::vector<double>{1, 2, 5, 10, 20, 50, 100});
}

TEST_CASE("svg: tick texts") {
  CHECK(svg::tick_text(0) == "0");
  CHECK(svg::tick_text(2.5) == "2.5");
  CHECK(svg::tick_text(300) == "300");
  CHECK(svg::tick_text(0.05) == "0.05");
  CHECK(svg::tick_text(12000) == "12k");
  CHECK(svg::tick_text(2.5e6) == "2.5M");
  CHECK(svg::tick_text(0.0002) == "2e-4");
  CHECK(svg::tick_text(-7) == "-7");
}

TEST_CASE("svg: a file") {
  const data_test::folder f;
  write_file(f / "x.svg", svg::document(10, 20, svg::line(0, 0, 1, 1, "#000")));
  const std::string s = data_test::read(f / "x.svg");
  CHECK(mentions(s, "<svg xmlns=", "viewBox=\"0 0 10 20\"", "<line ", "</svg>"));
}
