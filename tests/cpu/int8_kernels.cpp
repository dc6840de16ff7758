// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The choice of a kernel, and that all of them round to the same bits.

#include "cpu/int8_suite.hpp"

using namespace dsr1;

namespace {

/// f(kernels) for those of float that this processor can run.
template <class F>
void for_each_of_float(F&& f) {
  for (const isa which : available_isas()) {
    INFO(name_of(which));
    simd::dispatch_int8<float>(which, [&](auto set) { f(simd::int8_kernels<decltype(set)>{}); });
    simd::dispatch<float>(which, [&](auto set) { f(simd::int8_kernels<decltype(set)>{}); });
  }
}

}  // namespace

TEST_CASE("int8_kernels: all kernels round to the same bits") {
  const auto x = battery::normals<float>(64 * 32, 3);
  int8_suite::for_each_whole([&]<coding Type>() {
    const auto want =
        int8_suite::rounded<Type, float, simd::int8_kernels<simd::generic<float>>>(x, 64 * 32);
    for_each_of_float([&](auto kernels) {
      const auto got = int8_suite::rounded<Type, float, decltype(kernels)>(x, 64 * 32);
      for (std::size_t i = 0; i < want.size(); ++i)
        REQUIRE(std::memcmp(&got[i], &want[i], sizeof want[i]) == 0);
    });
  });
}

TEST_CASE("int8_kernels: double takes the portable kernels, whatever the processor has") {
  for (const isa which : available_isas())
    simd::dispatch_int8<double>(
        which, [](auto set) { CHECK(std::is_same_v<decltype(set), simd::generic<double>>); });
}
