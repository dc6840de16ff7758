// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Cross-entropy on the CPU.

#include "battery/loss_ops.hpp"

using namespace dsr1;

static_assert(loss_ops<context<cpu>, float> && loss_ops<context<cpu>, double>);

TEMPLATE_TEST_CASE("cpu loss_ops: battery", "", float, double) {
  context<cpu> ctx({.threads = 2});
  battery::cross_entropy_rows<TestType>(ctx);
  battery::cross_entropy_extremes<TestType>(ctx);
  battery::cross_entropy_nan<TestType>(ctx);
  battery::loss_errors<TestType>(ctx);
}
