// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What every layer must show, checked through forward, backward and for_each_parameter alone.
#pragma once

#include <string>
#include <vector>

#include "battery/context.hpp"
#include "catch.hpp"

#include <dsr1/nn/concepts.hpp>
#include <dsr1/nn/initialize.hpp>
#include <dsr1/testing/compare.hpp>
#include <dsr1/testing/grad_check.hpp>

namespace layer_checks {

using namespace dsr1;

/// The names of the parameters, in order.
template <class Layer>
std::vector<std::string> names(Layer& layer) {
  std::vector<std::string> out;
  layer.for_each_parameter([&](const parameter_name& name, auto&) { out.push_back(name.str()); });
  return out;
}

/// Memory, and values that depend on the name and the position only.
template <class Ctx, class Layer>
void prepare(Ctx& ctx, Layer& layer) {
  initialize(ctx, layer);
  layer.for_each_parameter([]<class T>(const parameter_name& name, parameter<T>& p) {
    const auto values = battery::normals<double>(p.size(), stream_of(name.str()), 0.5);
    for (index_t i = 0; i < p.size(); ++i)
      p.values()[i] = static_cast<T>(values[static_cast<std::size_t>(i)]);
  });
}

/// What a layer computes: results, the gradient of x, the gradients of all parameters.
template <class T>
struct outcome {
  std::vector<T> y, dx, gradients;
  bool operator==(const outcome&) const = default;
};

template <class Layer>
auto gradients_of(Layer& layer) {
  std::vector<typename Layer::number> out;
  layer.for_each_parameter([&](const parameter_name&, auto& p) {
    CHECK(p.gradient_written());
    out.insert(out.end(), p.gradients().begin(), p.gradients().end());
  });
  return out;
}

/// One forward and one backward pass over `x` [rows, in] with the upstream gradient `dy`, as large
/// as y.
template <class Ctx, class Layer, class T = typename Layer::number>
outcome<T> pass(Ctx& ctx, Layer& layer, const std::vector<T>& x, const std::vector<T>& dy,
                index_t rows, index_t in, bool scribble = false) {
  typename Layer::saved saved;
  auto input = x;
  const auto y = layer.forward(ctx, activations<T>(battery::matrix_of(input, rows, in)), saved);
  outcome<T> out;
  REQUIRE(y.rows() == rows);
  REQUIRE(y.dense());
  REQUIRE(y.size() == static_cast<index_t>(dy.size()));
  out.y.assign(y.data, y.data + y.size());
  if (scribble) std::fill_n(y.data, y.size(), T(99));  // results belong to the caller
  const auto dx = layer.backward(ctx, battery::matrix_of(dy, rows, y.columns()), saved);
  REQUIRE(same_extents(dx, battery::matrix_of(input, rows, in)));
  out.dx.assign(dx.data, dx.data + dx.size());
  out.gradients = gradients_of(layer);
  CHECK(input == x);  // a layer does not write its input
  return out;
}

template <class T>
std::vector<T> joined(std::vector<T> a, const std::vector<T>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

template <class T>
double distance(const std::vector<T>& a, const std::vector<T>& b) {
  REQUIRE(a.size() == b.size());
  return testing::compare(a.data(), b.data(), static_cast<index_t>(a.size())).relative();
}

/// All checks for the layers that `make` makes: make.template operator()<T>() for a number type T.
template <class Make>
void check_layer(Make make, index_t in, index_t out) {
  using layer_type = decltype(make.template operator()<float>());
  static_assert(layer<layer_type, context<cpu>, float>);
  const index_t n = 13, first = 5;
  {
    INFO("finite differences");
    context<cpu> ctx({.threads = 2});
    auto l = make.template operator()<double>();
    prepare(ctx, l);
    auto x = battery::normals<double>(n * in, 1);
    const auto r =
        testing::check_gradients(ctx, l, battery::matrix_of(x, n, in), sequence_layout(n));
    INFO(r.str());
    CHECK(r.checked > 30);
    CHECK(r.error < 1e-6);
  }
  {
    INFO("two batches accumulate the gradients of one");
    context<cpu> ctx({.threads = 2});
    auto l = make.template operator()<double>();
    prepare(ctx, l);
    const auto x = battery::normals<double>(n * in, 2), dy = battery::normals<double>(n * out, 3);
    const auto whole = pass(ctx, l, x, dy, n, in);
    clear_gradients(l);
    const auto cut = [](const std::vector<double>& v, index_t from, index_t to) {
      return std::vector<double>(v.begin() + static_cast<std::ptrdiff_t>(from),
                                 v.begin() + static_cast<std::ptrdiff_t>(to));
    };
    const auto a = pass(ctx, l, cut(x, 0, first * in), cut(dy, 0, first * out), first, in);
    const auto b =
        pass(ctx, l, cut(x, first * in, n * in), cut(dy, first * out, n * out), n - first, in);
    CHECK(distance(joined(a.y, b.y), whole.y) < 1e-12);
    CHECK(distance(joined(a.dx, b.dx), whole.dx) < 1e-12);
    CHECK(distance(b.gradients, whole.gradients) < 1e-12);
  }
  const auto x = battery::normals<float>(n * in, 4), dy = battery::normals<float>(n * out, 5);
  context<cpu> ctx({.threads = 2});
  auto l = make.template operator()<float>();
  prepare(ctx, l);
  const auto plain = pass(ctx, l, x, dy, n, in);
  {
    INFO("cleared gradients are replaced, and results belong to the caller");
    clear_gradients(l);
    CHECK(pass(ctx, l, x, dy, n, in, true) == plain);
  }
  {
    INFO("inference gives the same bits, and rows before others do not depend on them");
    typename layer_type::saved s;
    ctx.inference(true);
    auto input = x;
    const auto y = l.forward(ctx, activations<float>(battery::matrix_of(input, n, in)), s);
    CHECK(std::vector<float>(y.data, y.data + y.size()) == plain.y);
    const auto head = l.forward(
        ctx, activations<float>(battery::matrix_of(input, n, in).slice_rows(0, first)), s);
    CHECK(std::vector<float>(head.data, head.data + head.size()) ==
          std::vector<float>(plain.y.begin(),
                             plain.y.begin() + static_cast<std::ptrdiff_t>(first * out)));
    ctx.inference(false);
  }
  {
    INFO("no tokens");
    clear_gradients(l);
    const auto none = pass(ctx, l, {}, {}, 0, in);
    CHECK(none.gradients == std::vector<float>(none.gradients.size()));
  }
}

/// Two layers with the same names of parameters give the same bits.
template <class A, class B>
void check_same_bits(A a, B b, index_t in, index_t out) {
  const index_t n = 29;
  context<cpu> ctx({.threads = 2});
  prepare(ctx, a);
  prepare(ctx, b);
  CHECK(names(a) == names(b));
  const auto x = battery::normals<float>(n * in, 6), dy = battery::normals<float>(n * out, 7);
  CHECK(pass(ctx, a, x, dy, n, in) == pass(ctx, b, x, dy, n, in));
}

}  // namespace layer_checks
