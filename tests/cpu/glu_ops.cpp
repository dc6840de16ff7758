// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Gated units on the CPU.

#include "battery/glu_ops.hpp"

using namespace dsr1;

static_assert(glu_ops<context<cpu>, float> && glu_ops<context<cpu>, double>);

TEMPLATE_TEST_CASE("cpu glu_ops: battery", "", float, double) {
  context<cpu> ctx({.threads = 2});
  battery::gated_unit<TestType>(ctx);
  battery::gated_unit_extremes<TestType>(ctx);
  battery::glu_errors<TestType>(ctx);
}
