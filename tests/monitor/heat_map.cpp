// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The picture fits, hides no idle expert, and has what a reader needs.

#include <sstream>

#include "catch.hpp"

#include <dsr1/monitor/heat_map.hpp>

using namespace dsr1;

namespace {

load_matrix even_load(index_t layers, index_t experts) {
  load_matrix m;
  m.experts = experts;
  for (index_t l = 0; l < layers; ++l) {
    m.layers.push_back(text("blocks.", l, ".moe.balance"));
    for (index_t e = 0; e < experts; ++e) m.counts.push_back(100);
  }
  return m;
}

/// Text without escape sequences.
std::string plain(const std::string& s) {
  std::string out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '\x1b')
      i = s.find('m', i);
    else
      out += s[i];
  }
  return out;
}

std::vector<std::string> lines(const std::string& s) {
  std::vector<std::string> out;
  std::istringstream in(s);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

}  // namespace

TEST_CASE("heat: levels and colours") {
  CHECK(heat::level(1) == 0);
  CHECK(heat::level(4) == 1);
  CHECK(heat::level(2) == 0.5);
  CHECK(heat::level(100) == 1);
  CHECK(heat::level(0.01) == -1);
  CHECK(heat::level(0) < -1);
  CHECK(heat::colour(0) == rgb{247, 247, 247});
  CHECK(heat::colour(1) == rgb{178, 24, 43});
  CHECK(heat::colour(-1) == rgb{33, 102, 172});
  CHECK(heat::colour(heat::level(0)) == rgb{35, 35, 35});
}

TEST_CASE("heat_map_text: fits every terminal") {
  for (const index_t experts : {1, 8, 64, 128, 1000})
    for (const int columns : {72, 100, 200})
      for (const int colours : {0, 256, 1 << 24})
        for (const bool unicode : {false, true}) {
          const auto out = heat_map_text(even_load(12, experts),
                                         {colours > 0, columns, colours, unicode}, "step 5");
          const auto rows = lines(plain(out));
          REQUIRE(rows.size() >= 15);
          CHECK(rows[0] == "step 5");
          for (const auto& row : rows) REQUIRE(display_width(row) <= columns);
          CHECK(mentions(out, "layer 11", "expert 0", "load / mean", "MaxVio 0.00"));
        }
}

TEST_CASE("heat_map_text: 128 experts at 100 columns, two to a character, none hidden") {
  load_matrix m = even_load(1, 128);
  const terminal colour{true, 100, 1 << 24, true};
  const auto even = lines(heat_map_text(m, colour))[0];
  CHECK(display_width(plain(even)) == 8 + 64 + 2 + 11);
  for (const index_t e : {0, 77, 127}) {
    m = even_load(1, 128);
    m.counts[static_cast<std::size_t>(e)] = 0;
    const auto idle = lines(heat_map_text(m, colour))[0];
    CHECK(mentions(idle, ";2;35;35;35m", "1 idle"));
  }
}

TEST_CASE("heat_map_text: letters and blocks") {
  load_matrix m = even_load(1, 4);
  m.counts = {0, 1, 2, 13};
  CHECK(mentions(heat_map_text(m, {}), "layer 0 xx..--##  MaxVio 2.25, 1 idle"));
  CHECK(mentions(heat_map_text(m, {.unicode = true}), "xx\u2581\u2581", "\u2587\u2587"));
  m = even_load(1, 1000);
  m.counts[500] = 0;
  const auto grouped = heat_map_text(m, {});
  CHECK(mentions(grouped, "x", "a cell is", "farthest from the mean"));
}

TEST_CASE("heat_map_svg: labels, legend, title, one rectangle for equal neighbours") {
  load_matrix m = even_load(3, 128);
  const std::string even = heat_map_svg(m, "A <title>");
  CHECK(mentions(even, "A &lt;title&gt;", "layer 0", "layer 2", ">expert<", "load / mean",
                 "no token", ">120<", "MaxVio 0.00"));
  m.counts[5] = 0;
  const std::string idle = heat_map_svg(m);
  CHECK(mentions(idle, "#232323", "1 idle"));
  CHECK(idle.size() > even.size());
  CHECK(heat_map_svg(even_load(200, 4)).size() > 0);
  CHECK(heat_map_svg(even_load(1, 1)).size() > 0);
}

TEST_CASE("heat map: nothing to show") {
  CHECK(mentions(message_of([] { heat_map_text({}, {}); }), "0 layers of 0 experts"));
  load_matrix m = even_load(2, 4);
  m.counts.pop_back();
  CHECK(mentions(message_of([&] { heat_map_svg(m); }), "2 layers of 4 experts with 7 numbers"));
}
