// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What a layer is: models of the concept, near misses, and the two helpers beside it.

#include "nn/layer_checks.hpp"

#include <dsr1/nn/linear.hpp>

using namespace dsr1;

namespace {

using ctx_type = context<cpu>;

/// The smallest layer: y = a x.
struct scale_layer {
  static constexpr std::string_view name = "scale";
  using number = double;
  struct saved {
    view<const double, 2> x;
    int cache = 0;
  };
  parameter<double> factor{{1}, {.init = initial::ones()}};

  template <class Ctx>
  view<double, 2> forward(Ctx& ctx, activations<double> x, saved& s) {
    s.x = x;
    const auto y = ctx.template take<double>(x.rows(), x.columns());
    for (index_t i = 0; i < x.size(); ++i) y.data[i] = factor.values()[0] * x.data[i];
    return y;
  }
  template <class Ctx>
  view<double, 2> backward(Ctx& ctx, view<const double, 2> dy, const saved& s) {
    const auto dx = ctx.template take<double>(dy.rows(), dy.columns());
    double sum = 0;
    for (index_t i = 0; i < dy.size(); ++i) {
      dx.data[i] = factor.values()[0] * dy.data[i];
      sum += s.x.data[i] * dy.data[i];
    }
    factor.gradient<1>()[0] =
        (factor.next_gradient() == accumulate::yes ? factor.gradients()[0] : 0) + sum;
    return dx;
  }
  template <class Ctx>
  void open_cache(Ctx&, saved& s, int slots) {
    s.cache = slots;
  }
  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    visitor(parameter_name("factor"), factor);
  }
};
static_assert(layer<scale_layer, ctx_type, double>);
static_assert(!layer<scale_layer, ctx_type, float>, "a layer has one number type");

struct without_backward : scale_layer {
  void backward() = delete;
};
struct without_saved : scale_layer {
 private:
  using saved = void;
};
struct backward_of_nothing : scale_layer {
  template <class Ctx>
  void backward(Ctx&, view<const double, 2>, const saved&) {}
};
struct without_parameters : scale_layer {
  void for_each_parameter() = delete;
};
static_assert(!layer<without_backward, ctx_type, double>);
static_assert(!layer<without_saved, ctx_type, double>);
static_assert(!layer<backward_of_nothing, ctx_type, double>, "backward returns the gradient of x");
static_assert(!layer<without_parameters, ctx_type, double>);
static_assert(!layer<int, ctx_type, double>);
static_assert(layer<linear<linear_shape{}, double>, ctx_type, double>);

}  // namespace

TEST_CASE("concepts: a layer of one's own is checked like any other") {
  context<cpu> ctx({.threads = 1});
  scale_layer l;
  initialize(ctx, l);
  auto x = battery::normals<double>(12, 1);
  const auto r = testing::check_gradients(ctx, l, battery::matrix_of(x, 4, 3), sequence_layout(4));
  INFO(r.str());
  CHECK(r.checked == 13);
  CHECK(r.error < 1e-9);
}

TEST_CASE("concepts: a cache is opened where there is one") {
  context<cpu> ctx({.threads = 1});
  scale_layer with;
  scale_layer::saved s;
  open_cache_of(with, ctx, s, 5);
  CHECK(s.cache == 5);
  linear<> without({.in = 2, .out = 2});
  linear<>::saved t;
  open_cache_of(without, ctx, t, 5);  // nothing to do, and no error
}

TEST_CASE("concepts: parameters are visited under a name") {
  scale_layer l;
  std::string seen;
  visit_under("outer", l, [&](const parameter_name& name, parameter<double>& p) {
    seen += name.str();
    CHECK(&p == &l.factor);
  });
  CHECK(seen == "outer.factor");
}
