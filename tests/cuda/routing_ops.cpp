// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Routing on a CUDA device, with the gates of models too.

#include "battery/routing_ops.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/routing_ops.cuh>
#include <dsr1/moe/gate.hpp>

using namespace dsr1;

using backend = cuda_part<cuda_routing>;
static_assert(routing_ops<context<backend>, float> && routing_ops<context<backend>, double>);

TEMPLATE_TEST_CASE("cuda routing_ops: battery", "[cuda]", float, double) {
  context<backend> ctx;
  battery::route<TestType>(ctx);
  battery::affinities<TestType>(ctx);
  battery::log_sum_exp<TestType>(ctx);
  battery::count_experts<TestType>(ctx);
  battery::limit_capacity<TestType>(ctx);
  battery::sort_by_expert<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cuda routing_ops: errors", "[cuda]", float, double) {
  context<backend> ctx;
  battery::routing_errors<TestType>(ctx);
}
