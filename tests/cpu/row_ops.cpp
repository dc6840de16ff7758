// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Moving rows by index on the CPU.

#include "battery/row_ops.hpp"

using namespace dsr1;

static_assert(row_ops<context<cpu>, float> && row_ops<context<cpu>, double>);

TEMPLATE_TEST_CASE("cpu row_ops: battery", "", float, double) {
  context<cpu> ctx({.threads = 2});
  battery::gather_and_scatter<TestType>(ctx);
  battery::combine<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cpu row_ops: errors", "", float, double) {
  context<cpu> ctx({.threads = 1});
  battery::row_errors<TestType>(ctx);
}
