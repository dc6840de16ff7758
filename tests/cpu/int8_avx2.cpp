// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Whole-number products with AVX2.

#include "cpu/int8_suite.hpp"

using namespace dsr1;

TEST_CASE("int8_avx2: the suite") {
#if defined(__x86_64__)
  if (has_isa(isa::avx2)) int8_suite::all<float, simd::int8_kernels<simd::avx2>>();
#endif
}
