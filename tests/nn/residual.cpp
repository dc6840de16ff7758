// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// y = x + f(x), and a norm before f: gradients, names, the input left alone.

#include "nn/layer_checks.hpp"

#include <dsr1/nn/feed_forward.hpp>
#include <dsr1/nn/residual.hpp>

using namespace dsr1;
using namespace layer_checks;

namespace {

template <class T>
using block = feed_forward<feed_forward_shape{.dim = 6, .hidden = 5}, T>;

}  // namespace

TEST_CASE("residual: what every layer must show") {
  check_layer([]<class T>() { return residual<block<T>>(); }, 6, 6);
  check_layer(
      []<class T>() {
        return residual<linear<linear_shape{}, T>>(linear<linear_shape{}, T>({.in = 4, .out = 4}));
      },
      4, 4);
}

TEST_CASE("pre_norm: what every layer must show, alone and inside a residual") {
  check_layer([]<class T>() { return pre_norm<block<T>>(); }, 6, 6);
  check_layer(
      []<class T>() {
        return residual<pre_norm<block<T>>>(pre_norm<block<T>>(block<T>(), {.eps = 0.1}));
      },
      6, 6);
  check_layer(
      []<class T>() {
        return pre_norm<residual<pre_norm<block<T>>>>(residual<pre_norm<block<T>>>());
      },
      6, 6);
}

TEST_CASE("residual: adds the input to what the inner layer gives") {
  context<cpu> ctx({.threads = 1});
  block<float> inner;
  residual<block<float>> layer;
  prepare(ctx, inner);
  prepare(ctx, layer);
  const auto x = battery::normals<float>(3 * 6, 1);
  block<float>::saved a, b;
  const auto f = inner.forward(ctx, battery::matrix_of(x, 3, 6), a);
  const auto y = layer.forward(ctx, battery::matrix_of(x, 3, 6), b);
  for (index_t i = 0; i < 18; ++i) CHECK(y.data[i] == f.data[i] + x[static_cast<std::size_t>(i)]);
}

TEST_CASE(
    "residual: transparent in names, and the norm stands beside the inner layer's parameters") {
  residual<block<float>> plain;
  CHECK(names(plain) == std::vector<std::string>{"up.weight", "down.weight"});
  residual<pre_norm<block<float>>> normed;
  CHECK(names(normed) == std::vector<std::string>{"norm.weight", "up.weight", "down.weight"});
  static_assert(decltype(normed)::name == "feed_forward");
  static_assert(std::is_same_v<decltype(plain)::number, float>);
  CHECK(normed.inner().inner().dim() == 6);
}

TEST_CASE("residual: an inner layer that changes the size is an error") {
  context<cpu> ctx({.threads = 1});
  residual<linear<>> layer(linear<>({.in = 3, .out = 2}));
  initialize(ctx, layer);
  residual<linear<>>::saved s;
  const std::vector<float> x(12);
  CHECK(mentions(message_of([&] { layer.forward(ctx, battery::matrix_of(x, 4, 3), s); }), "[4, 3]",
                 "[4, 2]"));
}
