// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The CPU backend as a whole: every group of the contract, and one operation replaced by deriving.

#include "battery/context.hpp"
#include "catch.hpp"

#include <dsr1/nn/initialize.hpp>
#include <dsr1/nn/linear.hpp>

using namespace dsr1;

namespace {

template <class T>
constexpr bool complete =
    tensor_ops<context<cpu>, T> && linear_ops<context<cpu>, T> && norm_ops<context<cpu>, T> &&
    row_ops<context<cpu>, T> && glu_ops<context<cpu>, T> && routing_ops<context<cpu>, T> &&
    attention_ops<context<cpu>, T> && loss_ops<context<cpu>, T>;
static_assert(complete<float> && complete<double>);

/// Counts products and hands them on.
struct counting_cpu : cpu {
  static inline int products = 0;
  template <class Ctx, class T>
  static void matmul(Ctx& ctx, matrix<const T> a, matrix<const T> b, view<T, 2> c, accumulate add,
                     view<const T, 1> bias) {
    ++products;
    cpu::matmul(ctx, a, b, c, add, bias);
  }
};
static_assert(linear_ops<context<counting_cpu>, float>);

template <class Backend>
std::vector<float> run() {
  context<Backend> ctx({.threads = 1, .seed = 4});
  linear<linear_shape{.in = 5, .out = 3}> layer;
  initialize(ctx, layer);
  const auto x = battery::normals<float>(4 * 5, 1);
  typename linear<linear_shape{.in = 5, .out = 3}>::saved s;
  const auto y = layer.forward(ctx, battery::matrix_of(x, 4, 5), s);
  layer.backward(ctx, view<const float, 2>(y), s);
  return {y.data, y.data + y.size()};
}

}  // namespace

TEST_CASE("cpu: a backend derived from it replaces one operation for every layer") {
  const auto plain = run<cpu>(), counted = run<counting_cpu>();
  CHECK(plain == counted);
  CHECK(counting_cpu::products == 3);  // one forward, two backward
}
