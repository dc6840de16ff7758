// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The affine map: gradients, shapes, names, errors.

#include "nn/layer_checks.hpp"

#include <dsr1/nn/linear.hpp>

using namespace dsr1;
using namespace layer_checks;

TEST_CASE("linear: what every layer must show, with and without a bias") {
  for (const bool bias : {false, true})
    check_layer(
        [=]<class T>() { return linear<linear_shape{}, T>({.in = 7, .out = 5, .bias = bias}); }, 7,
        5);
}

TEST_CASE("linear: y = x W^T + b") {
  context<cpu> ctx({.threads = 1});
  linear<linear_shape{.in = 2, .out = 3, .bias = true}> l;
  initialize(ctx, l);
  const float w[] = {1, 2, 3, 4, 5, 6}, b[] = {10, 20, 30};
  std::copy_n(w, 6, l.weight().values().data());
  std::copy_n(b, 3, l.bias().values().data());
  const std::vector<float> x = {1, -1};
  linear<linear_shape{.in = 2, .out = 3, .bias = true}>::saved s;
  const auto y = l.forward(ctx, battery::matrix_of(x, 1, 2), s);
  CHECK(std::vector<float>(y.data, y.data + 3) == std::vector<float>{9, 19, 29});
}

TEST_CASE("linear: static and dynamic shapes give the same bits") {
  check_same_bits(linear<linear_shape{.in = 33, .out = 17, .bias = true}>(),
                  linear<>({.in = 33, .out = 17, .bias = true}), 33, 17);
  check_same_bits(linear<linear_shape{.in = 8}>({.in = 8, .out = 3}),
                  linear<linear_shape{.out = 3}>({.in = 8}), 8, 3);
}

TEST_CASE("linear: names, sizes and first values") {
  context<cpu> ctx({.threads = 1});
  linear<> with({.in = 400, .out = 30, .bias = true}), without({.in = 4, .out = 3});
  CHECK(names(with) == std::vector<std::string>{"weight", "bias"});
  CHECK(names(without) == std::vector<std::string>{"weight"});
  CHECK(with.in() == 400);
  CHECK(with.out() == 30);
  CHECK(without.bias().size() == 0);
  initialize(ctx, with);
  CHECK(with.weight().extent(0) == 30);  // [out, in] as in published checkpoints
  CHECK(with.weight().extent(1) == 400);
  double squares = 0;
  for (const float v : with.weight().values())
    squares += static_cast<double>(v) * static_cast<double>(v) / 12'000;
  CHECK(std::sqrt(squares * 400) ==
        Approx(1).epsilon(0.05));  // keeps the variance of what flows through
  for (const float v : with.bias().values()) CHECK(v == 0);
}

TEST_CASE("linear: errors") {
  CHECK(mentions(message_of([] { linear<> l; }), "linear: in", "dynamic"));
  CHECK(mentions(message_of([] { linear<> l({.in = 4}); }), "linear: out", "dynamic"));
  CHECK(mentions(message_of([] { linear<> l({.in = 4, .out = 0}); }), "out is 0", "at least 1"));
  CHECK(mentions(message_of([] { linear<linear_shape{.in = 4}> l({.in = 5, .out = 2}); }),
                 "in is 5", "fixes it to 4"));
  context<cpu> ctx({.threads = 1});
  linear<> l({.in = 3, .out = 2});
  linear<>::saved s;
  const std::vector<float> v(12);
  CHECK(mentions(message_of([&] { l.forward(ctx, battery::matrix_of(v, 4, 3), s); }),
                 "no memory yet", "initialize"));
  initialize(ctx, l, false);
  CHECK(mentions(message_of([&] { l.forward(ctx, battery::matrix_of(v, 3, 4), s); }),
                 "x has 4 columns", "expected 3"));
  l.forward(ctx, battery::matrix_of(v, 4, 3), s);
  CHECK(mentions(message_of([&] { l.backward(ctx, battery::matrix_of(v, 4, 3), s); }),
                 "dy is [4, 3]", "expected [4, 2]"));
  CHECK(mentions(message_of([&] { l.backward(ctx, battery::matrix_of(v, 3, 2), s); }),
                 "dy is [3, 2]", "expected [4, 2]"));
  CHECK(mentions(message_of([&] { l.backward(ctx, battery::matrix_of(v, 4, 2), s); }),
                 "without a gradient"));
}
