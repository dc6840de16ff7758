// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Products on the CPU.

#include "battery/linear_ops.hpp"

using namespace dsr1;

static_assert(linear_ops<context<cpu>, float> && linear_ops<context<cpu>, double>);

TEMPLATE_TEST_CASE("cpu linear_ops: products", "", float, double) {
  context<cpu> ctx({.threads = 2});
  battery::matmul<TestType>(ctx);
  battery::column_sum<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cpu linear_ops: grouped products", "", float, double) {
  context<cpu> ctx({.threads = 2});
  battery::m_grouped<TestType>(ctx, 9, 33);
  battery::m_grouped<TestType>(ctx, 40, 16);
  battery::k_grouped<TestType>(ctx, 9, 33);
  battery::k_grouped<TestType>(ctx, 32, 5);
}

TEMPLATE_TEST_CASE("cpu linear_ops: errors", "", float, double) {
  context<cpu> ctx({.threads = 1});
  battery::linear_errors<TestType>(ctx);
}

// Only float: products of double go through Eigen, which promises no such thing.
TEST_CASE("cpu linear_ops: a row of a product does not depend on the other rows") {
  context<cpu> ctx({.threads = 2});
  battery::rows_are_independent<float>(ctx);
}
