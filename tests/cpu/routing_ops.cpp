// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Routing on the CPU.

#include "battery/routing_ops.hpp"

using namespace dsr1;

static_assert(routing_ops<context<cpu>, float> && routing_ops<context<cpu>, double>);
static_assert(gate_policy<battery::softmax_top_k, float> &&
              gate_policy<battery::softmax_top_k, double>);

TEMPLATE_TEST_CASE("cpu routing_ops: battery", "", float, double) {
  context<cpu> ctx({.threads = 2});
  battery::route<TestType>(ctx);
  battery::affinities<TestType>(ctx);
  battery::log_sum_exp<TestType>(ctx);
  battery::count_experts<TestType>(ctx);
  battery::limit_capacity<TestType>(ctx);
  battery::sort_by_expert<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cpu routing_ops: errors", "", float, double) {
  context<cpu> ctx({.threads = 2});
  battery::routing_errors<TestType>(ctx);
}
