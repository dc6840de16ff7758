// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The dense block with a gated unit: gradients with every unit, a naive loop, names, errors.

#include <cmath>

#include "nn/layer_checks.hpp"

#include <dsr1/nn/feed_forward.hpp>

using namespace dsr1;
using namespace layer_checks;

TEST_CASE("feed_forward: what every layer must show, with each unit") {
  for (const glu unit :
       {glu::swiglu(), glu::clamped_swiglu(), glu{.alpha = 1.3, .limit = 0.8, .offset = 0.5}})
    check_layer(
        [=]<class T>() {
          return feed_forward<feed_forward_shape{}, T>({.dim = 6, .hidden = 9, .bias = true}, unit);
        },
        6, 6);
  check_layer(
      []<class T>() { return feed_forward<feed_forward_shape{.dim = 4, .hidden = 3}, T>(); }, 4, 4);
}

TEST_CASE("feed_forward: a loop over hidden units gives the same") {
  context<cpu> ctx({.threads = 1});
  const index_t dim = 5, hidden = 4, n = 3;
  feed_forward<feed_forward_shape{}, double> l({.dim = dim, .hidden = hidden, .bias = true},
                                               glu{.alpha = 1.5, .limit = 1, .offset = 0.25});
  prepare(ctx, l);
  std::vector<std::vector<double>> p;  // up weight, up bias, down weight, down bias
  l.for_each_parameter([&](const parameter_name&, auto& q) {
    p.emplace_back(q.values().begin(), q.values().end());
  });
  const auto x = battery::normals<double>(n * dim, 1);
  feed_forward<feed_forward_shape{}, double>::saved s;
  const auto y = l.forward(ctx, battery::matrix_of(x, n, dim), s);
  const auto at = [](index_t i) { return static_cast<std::size_t>(i); };
  for (index_t t = 0; t < n; ++t)
    for (index_t d = 0; d < dim; ++d) {
      double out = p[3][at(d)];
      for (index_t h = 0; h < hidden; ++h) {
        double g = p[1][at(2 * h)], u = p[1][at(2 * h + 1)];  // interleaved, the gate first
        for (index_t i = 0; i < dim; ++i) {
          g += p[0][at(2 * h * dim + i)] * x[at(t * dim + i)];
          u += p[0][at((2 * h + 1) * dim + i)] * x[at(t * dim + i)];
        }
        g = std::min(g, 1.0);
        u = std::clamp(u, -1.0, 1.0);
        out += p[2][at(d * hidden + h)] * g / (1 + std::exp(-1.5 * g)) * (u + 0.25);
      }
      REQUIRE(y(t, d) == Approx(out).epsilon(1e-12));
    }
}

TEST_CASE("feed_forward: static and dynamic shapes give the same bits") {
  check_same_bits(feed_forward<feed_forward_shape{.dim = 20, .hidden = 33, .bias = true}>(),
                  feed_forward<>({.dim = 20, .hidden = 33, .bias = true}), 20, 20);
}

TEST_CASE("feed_forward: names and sizes") {
  feed_forward<> with({.dim = 3, .hidden = 4, .bias = true}), without({.dim = 3, .hidden = 4});
  CHECK(names(with) ==
        std::vector<std::string>{"up.weight", "up.bias", "down.weight", "down.bias"});
  CHECK(names(without) == std::vector<std::string>{"up.weight", "down.weight"});
  CHECK(with.dim() == 3);
  CHECK(count_parameters(with, 1).total == 8 * 3 + 8 + 3 * 4 + 3);
}

TEST_CASE("feed_forward: errors") {
  CHECK(mentions(message_of([] { feed_forward<> l; }), "feed_forward: dim", "dynamic"));
  CHECK(mentions(message_of([] { feed_forward<> l({.dim = 4}); }), "feed_forward: hidden",
                 "dynamic"));
  CHECK(mentions(message_of([] {
                   feed_forward<feed_forward_shape{.dim = 4, .hidden = 2}> l(
                       {.dim = 4, .hidden = 3});
                 }),
                 "hidden is 3", "fixes it to 2"));
  context<cpu> ctx({.threads = 1});
  feed_forward<> l({.dim = 3, .hidden = 4});
  initialize(ctx, l);
  feed_forward<>::saved s;
  const std::vector<float> v(12);
  CHECK(mentions(message_of([&] { l.forward(ctx, battery::matrix_of(v, 3, 4), s); }), "4 columns",
                 "expected 3"));
  l.forward(ctx, battery::matrix_of(v, 4, 3), s);
  CHECK(mentions(message_of([&] { l.backward(ctx, battery::matrix_of(v, 3, 4), s); }),
                 "dy is [3, 4]", "expected [4, 3]"));
}
