// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Layers one after the other: gradients, names by name or by number, the sequences handed on.

#include "nn/layer_checks.hpp"

#include <dsr1/nn/linear.hpp>
#include <dsr1/nn/rms_norm.hpp>
#include <dsr1/nn/sequential.hpp>

using namespace dsr1;
using namespace layer_checks;

namespace {

template <class T>
using mixed = sequential<linear<linear_shape{.in = 7, .out = 4, .bias = true}, T>,
                         rms_norm<rms_norm_shape{.dim = 4}, T>>;
template <class T>
using three =
    sequential<linear<linear_shape{.in = 7, .out = 5}, T>, rms_norm<rms_norm_shape{.dim = 5}, T>,
               linear<linear_shape{.in = 5, .out = 3}, T>>;

/// Hands its input on, and remembers the sequences and the cache that it was shown.
struct witness {
  static constexpr std::string_view name = "witness";
  using number = float;
  struct saved {
    index_t sequences = -1;
    int opened = 0;
  };
  template <class Ctx>
  view<float, 2> forward(Ctx& ctx, activations<float> x, saved& s) {
    s.sequences = x.sequences.count();
    const auto y = ctx.template take<float>(x.rows(), x.columns());
    Ctx::backend::copy(ctx, view<const float, 2>(x), y);
    return y;
  }
  template <class Ctx>
  view<float, 2> backward(Ctx& ctx, view<const float, 2> dy, const saved&) {
    const auto dx = ctx.template take<float>(dy.rows(), dy.columns());
    Ctx::backend::copy(ctx, dy, dx);
    return dx;
  }
  template <class Ctx>
  void open_cache(Ctx&, saved& s, int value) {
    s.opened = value;
  }
  template <class Visitor>
  void for_each_parameter(Visitor&&) {}
};
static_assert(layer<witness, context<cpu>, float>);

}  // namespace

TEST_CASE("sequential: what every layer must show") {
  check_layer([]<class T>() { return mixed<T>(); }, 7, 4);
  check_layer([]<class T>() { return three<T>(); }, 7, 3);
  check_layer([]<class T>() { return sequential<mixed<T>>(); }, 7, 4);
}

TEST_CASE("sequential: names when all differ, else numbers") {
  mixed<float> a;
  CHECK(names(a) == std::vector<std::string>{"linear.weight", "linear.bias", "norm.weight"});
  three<float> b;
  CHECK(names(b) == std::vector<std::string>{"0.weight", "1.weight", "2.weight"});
  sequential<mixed<float>, rms_norm<rms_norm_shape{.dim = 4}>> c;
  CHECK(names(c) == std::vector<std::string>{"sequential.linear.weight", "sequential.linear.bias",
                                             "sequential.norm.weight", "norm.weight"});
  static_assert(three<float>::count == 3);
}

TEST_CASE("sequential: is its layers, one after the other") {
  context<cpu> ctx({.threads = 1});
  three<float> l;
  prepare(ctx, l);
  const auto x = battery::normals<float>(4 * 7, 1);
  three<float>::saved s;
  const auto y = l.forward(ctx, battery::matrix_of(x, 4, 7), s);
  auto [s0, s1, s2] = s.each;
  const auto a = l.get<0>().forward(ctx, battery::matrix_of(x, 4, 7), s0);
  const auto b = l.get<1>().forward(ctx, a, s1);
  const auto c = l.get<2>().forward(ctx, b, s2);
  for (index_t i = 0; i < 12; ++i) CHECK(y.data[i] == c.data[i]);
}

TEST_CASE("sequential: dynamic shapes give the bits of static ones") {
  using dynamic_three = sequential<linear<>, rms_norm<>, linear<>>;
  check_same_bits(three<float>(),
                  dynamic_three(linear<>({.in = 7, .out = 5}), rms_norm<>({.dim = 5}),
                                linear<>({.in = 5, .out = 3})),
                  7, 3);
}

TEST_CASE("sequential: every layer sees the sequences, and every cache is opened") {
  context<cpu> ctx({.threads = 1});
  sequential<witness, rms_norm<rms_norm_shape{.dim = 2}>, witness> l;
  initialize(ctx, l);
  decltype(l)::saved s;
  const std::vector<float> x(10);
  const sequence parts[] = {
      {.begin = 0, .length = 2}, {.begin = 2, .length = 1}, {.begin = 3, .length = 2}};
  l.forward(ctx, {battery::matrix_of(x, 5, 2), sequence_layout(parts)}, s);
  CHECK(std::get<0>(s.each).sequences == 3);
  CHECK(std::get<2>(s.each).sequences == 3);
  l.open_cache(ctx, s, 7);
  CHECK(std::get<0>(s.each).opened == 7);
  CHECK(std::get<2>(s.each).opened == 7);
}
