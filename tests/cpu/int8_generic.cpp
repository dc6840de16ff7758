// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Whole-number products in portable C++.

#include "cpu/int8_suite.hpp"

using namespace dsr1;

TEST_CASE("int8_generic: the suite in float") {
  int8_suite::all<float, simd::int8_kernels<simd::generic<float>>>();
}

TEST_CASE("int8_generic: the suite in double") {
  int8_suite::all<double, simd::int8_kernels<simd::generic<double>>>();
}
