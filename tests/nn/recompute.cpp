// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Recomputation: the bits of the plain layer, less memory, the auxiliary loss counted once.

#include "nn/layer_checks.hpp"

#include <dsr1/nn/feed_forward.hpp>
#include <dsr1/nn/recompute.hpp>
#include <dsr1/nn/repeat.hpp>
#include <dsr1/nn/residual.hpp>

using namespace dsr1;
using namespace layer_checks;

namespace {

template <class T>
using block =
    residual<pre_norm<feed_forward<feed_forward_shape{.dim = 6, .hidden = 50, .bias = true}, T>>>;

/// y = 2 x, and its number of rows is an auxiliary loss.
struct noisy {
  static constexpr std::string_view name = "noisy";
  using number = float;
  struct saved {};
  int forwards = 0;
  template <class Ctx>
  view<float, 2> forward(Ctx& ctx, activations<float> x, saved&) {
    ++forwards;
    ctx.auxiliary().sum += static_cast<double>(x.rows());
    const auto y = ctx.template take<float>(x.rows(), x.columns());
    for (index_t i = 0; i < x.size(); ++i) y.data[i] = 2 * x.data[i];
    return y;
  }
  template <class Ctx>
  view<float, 2> backward(Ctx& ctx, view<const float, 2> dy, const saved&) {
    const auto dx = ctx.template take<float>(dy.rows(), dy.columns());
    for (index_t i = 0; i < dy.size(); ++i) dx.data[i] = 2 * dy.data[i];
    return dx;
  }
  template <class Visitor>
  void for_each_parameter(Visitor&&) {}
};

}  // namespace

TEST_CASE("recompute: what every layer must show") {
  check_layer([]<class T>() { return recompute<block<T>>(); }, 6, 6);
  check_layer([]<class T>() { return repeat<recompute<block<T>>, 2>(); }, 6, 6);
  check_layer([]<class T>() { return recompute<recompute<block<T>>>(); }, 6, 6);
}

TEST_CASE("recompute: the bits, the names and the size of the plain layer") {
  check_same_bits(recompute<block<float>>(), block<float>(), 6, 6);
  check_same_bits(repeat<recompute<block<float>>, 3>(), repeat<block<float>, 3>(), 6, 6);
  check_same_bits(recompute<repeat<block<float>, 3>>(), repeat<block<float>, 3>(), 6, 6);
  recompute<feed_forward<>> l(feed_forward<>({.dim = 5, .hidden = 2}));
  CHECK(l.dim() == 5);
  CHECK(l.inner().dim() == 5);
  static_assert(recompute<block<float>>::name == "feed_forward");
}

TEST_CASE("recompute: keeps the input of each layer only") {
  const auto peak = [](auto layer) {
    context<cpu> ctx({.threads = 1});
    initialize(ctx, layer);
    const auto x = battery::normals<float>(5000 * 6, 1);
    typename decltype(layer)::saved s;
    layer.forward(ctx, battery::matrix_of(x, 5000, 6), s);
    return ctx.workspace().peak_bytes();
  };
  CHECK(peak(repeat<recompute<block<float>>, 8>()) * 4 < peak(repeat<block<float>, 8>()));
}

TEST_CASE("recompute: the auxiliary loss is counted once, though the layer runs twice") {
  context<cpu> ctx({.threads = 1});
  recompute<noisy> l;
  recompute<noisy>::saved s;
  const std::vector<float> x(6, 1.5f);
  const auto y = l.forward(ctx, battery::matrix_of(x, 3, 2), s);
  CHECK(y(2, 1) == 3);
  CHECK(ctx.auxiliary().sum == 3);
  ctx.auxiliary().sum += 0.5;  // from another layer
  const auto dx = l.backward(ctx, battery::matrix_of(x, 3, 2), s);
  CHECK(dx(0, 0) == 3);
  CHECK(ctx.auxiliary().sum == 3.5);
  CHECK(l.inner().forwards == 2);
}

TEST_CASE("recompute: a layer that changes the size is an error") {
  context<cpu> ctx({.threads = 1});
  recompute<linear<>> l(linear<>({.in = 3, .out = 2}));
  initialize(ctx, l);
  recompute<linear<>>::saved s;
  const std::vector<float> x(12);
  CHECK(mentions(message_of([&] { l.forward(ctx, battery::matrix_of(x, 4, 3), s); }), "[4, 2]",
                 "[4, 3]"));
}
