// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Sixteen lanes in two AVX2 registers: every function, and exp over its whole range.

#include "cpu/simd_suite.hpp"

#if defined(__x86_64__)

using namespace dsr1;
using simd_suite::same_bits;

TEST_CASE("simd_avx2: every function") {
  if (!has_isa(isa::avx2)) return;
  static_assert(simd::avx2::width == 16);
  simd_suite::arithmetic<simd::avx2>();
  simd_suite::fused<simd::avx2>(true);
  simd_suite::reductions<simd::avx2>();
  simd_suite::partial<simd::avx2>();
  simd_suite::shuffles<simd::avx2>();
}

TEST_CASE("simd_avx2: exp is within two units in the last place from -87.3 to 88") {
  if (!has_isa(isa::avx2)) return;
  // A unit is at most 2^-23 = 1.2e-7 of the value.
  CHECK(simd_suite::worst_exp<simd::avx2>(-87.33654f, -1e-3f, 997) < 2 * 0x1p-23);
  CHECK(simd_suite::worst_exp<simd::avx2>(-1e-3f, 1e-3f, 100'003) < 2 * 0x1p-23);
  CHECK(simd_suite::worst_exp<simd::avx2>(1e-3f, 88.0f, 997) < 2 * 0x1p-23);
  CHECK(simd_suite::worst_exp<simd::avx2>(-87.33654f, -87.336f, 1) < 2 * 0x1p-23);
  CHECK(simd_suite::worst_exp<simd::avx2>(87.99f, 88.0f, 1) < 2 * 0x1p-23);
}

TEST_CASE("simd_avx2: exp at and beyond its ends") {
  if (!has_isa(isa::avx2)) return;
  constexpr float inf = std::numeric_limits<float>::infinity(),
                  nan = std::numeric_limits<float>::quiet_NaN();
  const float in[16] = {0,    -0.0f, 1e-30f, -1e-30f, -87.33654f, -87.3366f, -100, -1e30f,
                        -inf, 88,    88.1f,  1000,    inf,        nan,       -nan, 1};
  float out[16];
  simd::simd_probe<simd::avx2>::exp(in, out);
  for (int i = 0; i < 4; ++i) CHECK(out[i] == 1);
  CHECK(out[4] > 1.1e-38f);
  for (int i = 5; i < 9; ++i) CHECK(same_bits(out[i], 0.0f));
  CHECK(out[9] == Approx(1.6516363e38).epsilon(1e-6));
  for (int i = 10; i < 13; ++i) CHECK(out[i] == out[9]);  // capped: never infinite
  CHECK(std::isnan(out[13]));
  CHECK(std::isnan(out[14]));
  CHECK(out[15] == Approx(2.7182818).epsilon(1e-6));
}

#endif  // __x86_64__
