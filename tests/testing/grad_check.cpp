// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The gradient checker finds each kind of wrong gradient, and only those.

#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"

#include <dsr1/backend/context.hpp>
#include <dsr1/testing/grad_check.hpp>

using namespace dsr1;

namespace {

/// A backend without operations: the layer below computes for itself.
struct host_backend {
  struct device {
    explicit device(const context_options&) {}
    dsr1::memory& memory() { return host_memory::instance(); }
  };
};

enum class bug { none, dx, weight, bias, one_element, missing, nan, auxiliary };

/// y[t, i] = w[i] x[t, i]^2 + b[i], with a bug of choice in its backward; adds sum(x^3) to the
/// auxiliary loss.
struct square_layer {
  using number = double;
  struct saved {
    view<const double, 2> x;
  };

  explicit square_layer(index_t dim, bug which = bug::none)
      : weight({dim}), bias({dim}), frozen({dim}, {.update = update_rule::none}), planted(which) {
    for_each_parameter([](const parameter_name&, parameter<double>& p) {
      p.allocate(host_memory::instance(), true);
      for (index_t i = 0; i < p.size(); ++i) p.values()[i] = 0.3 + 0.1 * static_cast<double>(i);
    });
  }

  template <class Ctx>
  view<double, 2> forward(Ctx& ctx, activations<double> x, saved& s) {
    s.x = x;
    const auto y = ctx.template take<double>(x.rows(), x.columns());
    for (index_t t = 0; t < x.rows(); ++t)
      for (index_t i = 0; i < x.columns(); ++i) {
        y(t, i) = weight.values()[i] * x(t, i) * x(t, i) + bias.values()[i];
        ctx.auxiliary().sum += std::pow(x(t, i), 3);
      }
    return y;
  }

  template <class Ctx>
  view<double, 2> backward(Ctx& ctx, view<const double, 2> dy, const saved& s) {
    const auto dx = ctx.template take<double>(dy.rows(), dy.columns());
    const auto dw = weight.gradient<1>(), db = bias.gradient<1>();
    if (weight.next_gradient() == accumulate::no) std::fill(dw.begin(), dw.end(), 0.0);
    if (planted != bug::missing && bias.next_gradient() == accumulate::no)
      std::fill(db.begin(), db.end(), 0.0);
    for (index_t t = 0; t < dy.rows(); ++t)
      for (index_t i = 0; i < dy.columns(); ++i) {
        const double x = s.x(t, i), scale = planted == bug::auxiliary ? 0 : ctx.auxiliary().scale;
        dx(t, i) = 2 * weight.values()[i] * x * dy(t, i) * (planted == bug::dx ? 1.01 : 1) +
                   scale * 3 * x * x;
        if (planted == bug::one_element && t == 2 && i == 1) dx(t, i) += 0.01;
        if (planted == bug::nan && t == 1 && i == 0)
          dx(t, i) = std::numeric_limits<double>::quiet_NaN();
        dw[i] += x * x * dy(t, i) * (planted == bug::weight ? -1 : 1);
        db[i] += planted == bug::bias ? 0.5 * dy(t, i) : dy(t, i);
      }
    return dx;
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    visitor(parameter_name("weight"), weight);
    visitor(parameter_name("bias"), bias);
    visitor(parameter_name("frozen"), frozen);
  }

  parameter<double> weight, bias, frozen;
  bug planted;
};

testing::grad_check_result check(bug which, testing::grad_check_options options = {},
                                 double auxiliary = 0.5) {
  context<host_backend> ctx;
  ctx.auxiliary().scale = auxiliary;
  square_layer layer(3, which);
  std::vector<double> x(12);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.4 + 0.1 * static_cast<double>(i);
  const auto before = x;
  const auto r = testing::check_gradients(ctx, layer, view<double, 2>(x.data(), 4, 3),
                                          sequence_layout(4), options);
  CHECK(x == before);  // what was moved for the differences is where it was
  for (index_t i = 0; i < 3; ++i)
    CHECK(layer.weight.values()[i] == 0.3 + 0.1 * static_cast<double>(i));
  return r;
}

}  // namespace

TEST_CASE("grad_check: a correct layer passes, everything having been tried") {
  const auto r = check(bug::none);
  INFO(r.str());
  CHECK(r.error < 1e-8);
  CHECK(r.checked == 12 + 3 + 3);  // x, weight, bias; a parameter that nobody trains is left out
}

TEST_CASE("grad_check: a wrong gradient is found, with its tensor") {
  CHECK(check(bug::dx).error > 1e-3);
  CHECK(check(bug::dx).tensor == "x");
  CHECK(check(bug::weight).error > 0.1);
  CHECK(check(bug::weight).tensor == "weight");
  CHECK(check(bug::bias).tensor == "bias");
  CHECK(check(bug::bias).error > 0.01);
  const auto one = check(bug::one_element);
  CHECK(one.tensor == "x");
  CHECK(one.element == 7);
  CHECK(one.analytic - one.numeric == Approx(0.01).epsilon(1e-3));
  CHECK(mentions(one.str(), "worst of 18", "x[7]", "analytic", "numeric", "error"));
}

TEST_CASE("grad_check: a gradient that was never written counts as zero") {
  const auto r = check(bug::missing);
  CHECK(r.tensor == "bias");
  CHECK(r.analytic == 0);
  CHECK(r.error > 0.1);
}

TEST_CASE("grad_check: NaN is an infinite error") {
  const auto r = check(bug::nan);
  CHECK(r.error == std::numeric_limits<double>::infinity());
  CHECK(r.tensor == "x");
  CHECK(r.element == 3);
}

TEST_CASE("grad_check: the auxiliary loss is part of the loss") {
  CHECK(check(bug::auxiliary).error > 1e-2);
  CHECK(check(bug::auxiliary, {}, 0).error < 1e-8);
}

TEST_CASE("grad_check: large tensors are sampled, by the seed") {
  CHECK(check(bug::none, {.per_tensor = 2}).checked == 6);
  CHECK(check(bug::none, {.per_tensor = 0}).checked == 0);
  CHECK(check(bug::none, {.step = 1e-3}).error < 1e-5);
  CHECK(check(bug::one_element, {.per_tensor = 11, .seed = 5}).checked == 17);
}

TEST_CASE("grad_check: a loss of one's own, without x") {
  square_layer layer(3);
  auto loss = [&] {
    double sum = 0;
    for (index_t i = 0; i < 3; ++i)
      sum += std::sin(layer.weight.values()[i]) + 2 * layer.bias.values()[i];
    return sum;
  };
  auto gradient = [&]() -> const double* {
    for (index_t i = 0; i < 3; ++i) {
      layer.weight.gradient<1>()[i] = std::cos(layer.weight.values()[i]);
      layer.bias.gradient<1>()[i] = 2;
    }
    layer.weight.next_gradient();
    layer.bias.next_gradient();
    return nullptr;
  };
  const auto r = testing::check_gradients(layer, view<double, 1>(), loss, gradient);
  INFO(r.str());
  CHECK(r.checked == 6);
  CHECK(r.error < 1e-9);
}
