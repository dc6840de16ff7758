// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Rotation, caches and attention on the CPU.

#include "battery/attention_ops.hpp"
#include "battery/attention_cache.hpp"

using namespace dsr1;

static_assert(attention_ops<context<cpu>, float> && attention_ops<context<cpu>, double>);

TEMPLATE_TEST_CASE("cpu attention_ops: forward and backward", "", float, double) {
  context<cpu> ctx({.threads = 2});
  battery::attention<TestType>(ctx);
  battery::attention_extremes<TestType>(ctx);
  battery::attention_of_one_tensor<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cpu attention_ops: rotation and caches", "", float, double) {
  context<cpu> ctx({.threads = 2});
  battery::rotate<TestType>(ctx);
  battery::attention_cached<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cpu attention_ops: errors", "", float, double) {
  context<cpu> ctx({.threads = 1});
  battery::attention_errors<TestType>(ctx);
}
