// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The whole layer: gradients, a naive reference, invariances, errors.

#include <cmath>
#include <limits>
#include <numeric>

#include "battery/context.hpp"
#include "catch.hpp"

#include <dsr1/moe/moe.hpp>
#include <dsr1/testing/grad_check.hpp>

using namespace dsr1;

namespace {

constexpr moe_shape small{.dim = 6, .hidden = 5, .experts = 8, .top_k = 3};

/// Initialises and enlarges the weights, so that the choices are far from ties.
template <class Layer>
void prepare(context<cpu>& ctx, Layer& layer) {
  initialize(ctx, layer);
  layer.for_each_parameter([](const parameter_name& name, auto& p) {
    const auto values = battery::normals<double>(p.size(), stream_of(name.str()), 0.5);
    const bool balance = p.traits().counts_load;
    for (index_t i = 0; i < p.size(); ++i)
      p.values()[i] = static_cast<typename std::remove_reference_t<decltype(p.values()[i])>>(
          values[static_cast<std::size_t>(i)] * (balance ? 0.1 : 1));
  });
}

template <class Gate, class Balance>
void check(Gate gate, Balance balance, moe_shape shape = small, moe_options options = {}) {
  context<cpu> ctx({.threads = 2});
  ctx.auxiliary().scale = 0.7;
  moe<moe_shape{}, Gate, Balance, double> layer(shape, gate, balance, options);
  prepare(ctx, layer);
  auto x = battery::normals<double>(11 * shape.dim, 5);
  const sequence parts[] = {{.begin = 0, .length = 4}, {.begin = 4, .length = 7}};
  const auto r = testing::check_gradients(ctx, layer, battery::matrix_of(x, 11, shape.dim),
                                          sequence_layout(parts));
  INFO(r.str());
  CHECK(r.checked > 100);
  CHECK(r.error < 1e-6);
}

}  // namespace

TEST_CASE("moe: gradients of every gate") {
  check(softmax_gate{}, no_balance{});
  check(softmax_gate{.normalize = false, .scale = 16}, no_balance{});
  check(sigmoid_gate{.scale = 2.5, .groups = 4, .top_groups = 2}, bias_balance{});
  check(sigmoid_gate{.normalize = false}, no_balance{});
  check(sqrt_softplus_gate{.scale = 1.5}, no_balance{});
  check(top_k_softmax_gate{}, no_balance{});
  check(top_k_softmax_gate{.weigh_with_bias = true}, bias_balance{});
}

TEST_CASE("moe: gradients of every balance loss") {
  check(softmax_gate{}, switch_loss{.coefficient = 0.5});
  check(softmax_gate{}, switch_loss{.coefficient = 0.5, .divide_by_k = false});
  check(sigmoid_gate{}, sequence_loss{.coefficient = 0.5});
  check(sqrt_softplus_gate{}, sequence_loss{.coefficient = 0.5});
  check(top_k_softmax_gate{}, router_z_loss{.coefficient = 0.1});
  check(sigmoid_gate{}, balance_with(bias_balance(1e-2), sequence_loss{0.5}, router_z_loss{0.1}));
}

TEST_CASE("moe: gradients with biases, clamped units, a shared expert and dropped tokens") {
  moe_shape shape = small;
  shape.router_bias = shape.expert_bias = true;
  shape.shared_hidden = 4;
  check(top_k_softmax_gate{}, no_balance{}, shape,
        {.unit = {.alpha = 1.702, .limit = 0.8, .offset = 1}});
  check(softmax_gate{}, no_balance{}, shape, {.capacity = {.factor = 0.8}});
  check(softmax_gate{}, no_balance{}, shape,
        {.capacity = {.factor = 0.8, .rule = drop_rule::by_position}});
}

namespace {

/// The layer as a loop over tokens and experts, in double.
template <class Layer>
std::vector<double> naive_moe(Layer& layer, const std::vector<double>& x, index_t tokens) {
  const auto [dim, hidden, experts, k, shared, rb, eb] = layer.shape();
  const auto router = layer.router().weight().template value<2>();
  const auto up = layer.experts().up().template value<3>();
  const auto down = layer.experts().down().template value<3>();
  std::vector<double> y(static_cast<std::size_t>(tokens * dim));
  for (index_t t = 0; t < tokens; ++t) {
    const double* in = x.data() + t * dim;
    std::vector<double> p(static_cast<std::size_t>(experts));
    double sum = 0;
    for (index_t e = 0; e < experts; ++e) {
      double logit = 0;
      for (index_t d = 0; d < dim; ++d) logit += router(e, d) * in[d];
      sum += p[static_cast<std::size_t>(e)] = std::exp(logit);
    }
    std::vector<bool> used(p.size());
    double chosen_sum = 0;
    std::vector<std::size_t> chosen;
    for (index_t j = 0; j < k; ++j) {
      std::size_t best = p.size();
      for (std::size_t e = 0; e < p.size(); ++e)
        if (!used[e] && (best == p.size() || p[e] > p[best])) best = e;
      used[best] = true;
      chosen.push_back(best);
      chosen_sum += p[best];
    }
    for (const std::size_t e : chosen)
      for (index_t d = 0; d < dim; ++d) {
        double out = 0;
        for (index_t h = 0; h < hidden; ++h) {
          double g = 0, u = 0;
          for (index_t i = 0; i < dim; ++i) {
            g += up[static_cast<index_t>(e)](2 * h, i) * in[i];
            u += up[static_cast<index_t>(e)](2 * h + 1, i) * in[i];
          }
          out += down[static_cast<index_t>(e)](d, h) * g / (1 + std::exp(-g)) * u;
        }
        y[static_cast<std::size_t>(t * dim + d)] += p[e] / chosen_sum * out;
      }
  }
  return y;
}

}  // namespace

TEST_CASE("moe: a loop over tokens and experts gives the same") {
  context<cpu> ctx({.threads = 2});
  moe<small, softmax_gate, no_balance, double> layer;
  prepare(ctx, layer);
  const auto x = battery::normals<double>(23 * 6, 8);
  // The naive loop knows no bias; the parameter "balance" is zero without bias balancing.
  std::fill(layer.balance_bias().values().begin(), layer.balance_bias().values().end(), 0.0);
  moe<small, softmax_gate, no_balance, double>::saved s;
  const auto y = layer.forward(ctx, battery::matrix_of(x, 23, 6), s);
  const auto expected = naive_moe(layer, x, 23);
  for (index_t i = 0; i < y.size(); ++i)
    REQUIRE(y.data[i] ==
            Approx(expected[static_cast<std::size_t>(i)]).epsilon(1e-12).margin(1e-12));
}

TEST_CASE("moe: static and dynamic shapes, threads and batches give the same bits") {
  const auto x = battery::normals<float>(50 * 6, 9);
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    context<cpu> ctx({.threads = threads});
    moe<small> fixed;
    moe<> given(small);
    prepare(ctx, fixed);
    prepare(ctx, given);
    moe<small>::saved a;
    moe<>::saved b;
    const auto y = fixed.forward(ctx, battery::matrix_of(x, 50, 6), a);
    const auto z = given.forward(ctx, battery::matrix_of(x, 50, 6), b);
    if (first.empty()) first.assign(y.data, y.data + y.size());
    for (index_t i = 0; i < y.size(); ++i) {
      REQUIRE(y.data[i] == first[static_cast<std::size_t>(i)]);
      REQUIRE(z.data[i] == y.data[i]);
    }
    for (index_t t = 0; t < 50; t += 7) {  // one token alone
      const auto one = fixed.forward(ctx, battery::matrix_of(x, 50, 6).slice_rows(t, 1), a);
      for (index_t d = 0; d < 6; ++d)
        REQUIRE(one(0, d) == first[static_cast<std::size_t>(t * 6 + d)]);
    }
  }
}

TEST_CASE("moe: the bias chooses, and its gradient counts") {
  context<cpu> ctx({.threads = 2});
  moe<small, sigmoid_gate> layer;
  prepare(ctx, layer);
  auto bias = layer.balance_bias().value<1>();
  std::fill(bias.begin(), bias.end(), 0.0f);
  bias[5] = 100;  // everybody must take expert 5
  const auto x = battery::normals<float>(20 * 6, 10);
  moe<small, sigmoid_gate>::saved s;
  const auto y = layer.forward(ctx, battery::matrix_of(x, 20, 6), s);
  for (index_t t = 0; t < 20; ++t) {
    CHECK(s.index(t, 0) == 5);
    for (index_t j = 0; j < 3; ++j) CHECK(s.weight(t, j) < 1);  // the bias does not weigh
  }
  layer.backward(ctx, view<const float, 2>(y), s);
  layer.backward(ctx, view<const float, 2>(y), s);
  const auto counts = layer.balance_bias().gradient<1>();
  CHECK(counts[5] == 40);
  CHECK(std::accumulate(counts.begin(), counts.end(), 0.0f) == 2 * 20 * 3);
  CHECK(layer.balance_bias().traits().update == update_rule::balance);
}

TEST_CASE("moe: no tokens at all") {
  context<cpu> ctx({.threads = 1});
  moe<small> layer;
  initialize(ctx, layer);
  moe<small>::saved s;
  CHECK(layer.forward(ctx, view<const float, 2>(nullptr, 0, 6), s).rows() == 0);
  CHECK(layer.backward(ctx, view<const float, 2>(nullptr, 0, 6), s).rows() == 0);
}

TEST_CASE("moe: errors name both sizes") {
  context<cpu> ctx({.threads = 1});
  moe<small> layer;
  initialize(ctx, layer);
  moe<small>::saved s;
  auto x = battery::normals<float>(14, 1);
  CHECK(mentions(message_of([&] { layer.forward(ctx, battery::matrix_of(x, 2, 7), s); }),
                 "7 columns", "expected 6"));
  x[3] = std::numeric_limits<float>::quiet_NaN();
  CHECK(mentions(message_of([&] { layer.forward(ctx, battery::matrix_of(x, 2, 6), s); }), "token 0",
                 "not finite"));
  CHECK(mentions(
      message_of([] { moe<>{moe_shape{.dim = 4, .hidden = 2, .experts = 3, .top_k = 5}}; }),
      "top_k is 5", "3"));
  CHECK(mentions(message_of([] { moe<>{moe_shape{.dim = 4, .hidden = 2, .top_k = 1}}; }), "experts",
                 "dynamic"));
  CHECK(mentions(
      message_of([] { moe<small>{moe_shape{.dim = 8, .hidden = 5, .experts = 8, .top_k = 3}}; }),
      "dim is 8", "fixes it to 6"));
  CHECK(mentions(message_of([] {
                   moe<moe_shape{}, sigmoid_gate>{
                       moe_shape{.dim = 4, .hidden = 2, .experts = 8, .top_k = 5},
                       sigmoid_gate{.groups = 4, .top_groups = 2}};
                 }),
                 "top_k is 5", "leave only 4"));
  CHECK(mentions(message_of([] {
                   moe<moe_shape{}, sigmoid_gate>{
                       moe_shape{.dim = 4, .hidden = 2, .experts = 8, .top_k = 2},
                       sigmoid_gate{.groups = 3}};
                 }),
                 "3 groups", "8 experts"));
  CHECK(mentions(message_of([] {
                   moe<small>{small, {}, {}, {.capacity = {.factor = -1}}};
                 }),
                 "capacity factor is -1"));
}
