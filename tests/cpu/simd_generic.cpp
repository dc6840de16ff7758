// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The portable lanes, for float and double.

#include "cpu/simd_suite.hpp"

using namespace dsr1;

TEMPLATE_TEST_CASE("simd_generic: every function", "", simd::generic<float>,
                   simd::generic<double>) {
  static_assert(TestType::width == 16);
  simd_suite::arithmetic<TestType>();
  simd_suite::fused<TestType>(false);
  simd_suite::reductions<TestType>();
  simd_suite::partial<TestType>();
  simd_suite::shuffles<TestType>();
}

TEMPLATE_TEST_CASE("simd_generic: exp is the C library's", "", simd::generic<float>,
                   simd::generic<double>) {
  using T = typename TestType::value;
  for (const auto& a : simd_suite::samples<T>()) {
    T to[16];
    simd::simd_probe<TestType>::exp(a.data(), to);
    for (std::size_t i = 0; i < 16; ++i) REQUIRE(simd_suite::same_value(to[i], std::exp(a[i])));
  }
}
