// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// RMSNorm on the CPU.

#include "battery/norm_ops.hpp"

using namespace dsr1;

static_assert(norm_ops<context<cpu>, float> && norm_ops<context<cpu>, double>);

TEMPLATE_TEST_CASE("cpu norm_ops: battery", "", float, double) {
  context<cpu> ctx({.threads = 2});
  battery::rms_norm<TestType>(ctx);
  battery::rms_norm_of_zeros<TestType>(ctx);
  battery::rms_norm_roundings<TestType>(ctx);
  battery::rms_norm_backward<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cpu norm_ops: errors", "", float, double) {
  context<cpu> ctx({.threads = 1});
  battery::norm_errors<TestType>(ctx);
}
