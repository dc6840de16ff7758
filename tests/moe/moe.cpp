// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The whole layer: gradients, a naive reference, invariances, errors.

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
  const auto r = testing::check_gradients(ctx, layer, battery::matrix_of(x, 11, shape.dim), sequence_layout(parts));
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
  check(top_k_softmax_gate{}, no_balance{}, shape, {.unit = {.alpha = 1.702, .limit = 0.8, .offset = 1}});
  check(softmax_gate{}, no_balance{}, shape, {.capacity = {.factor = 0.8}});
  check(softmax_gate{}, no_balance{}, shape,
        {.capacity = {.factor = 0.8, .rule = drop_rule::by_position}});
}
