// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Whole-number products with AVX-512 VNNI.

#include "cpu/int8_suite.hpp"

using namespace dsr1;

TEST_CASE("int8_vnni: the suite") {
#if defined(__x86_64__)
  if (simd::has_vnni())
    int8_suite::all<float, simd::int8_kernels<simd::avx512_vnni>>();
  else
    WARN("skipped: this processor has no AVX-512 VNNI");
#endif
}
