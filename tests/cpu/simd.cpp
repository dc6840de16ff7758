// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The call of a kernel by the instruction set that a device has.

#include <typeinfo>

#include "catch.hpp"

#include <dsr1/cpu/simd.hpp>

using namespace dsr1;

TEST_CASE("simd: dispatch calls with the type that stands for the instruction set") {
  auto type = [](auto set) { return std::string(typeid(set).name()); };
  CHECK(simd::dispatch<float>(isa::generic, type) == typeid(simd::generic<float>).name());
#if defined(__x86_64__)
  CHECK(simd::dispatch<float>(isa::avx2, type) == typeid(simd::avx2).name());
  CHECK(simd::dispatch<float>(isa::avx512, type) == typeid(simd::avx512).name());
#endif
}

TEST_CASE("simd: double is generic everywhere") {
  for (const isa which : {isa::generic, isa::avx2, isa::avx512})
    simd::dispatch<double>(which, [](auto set) {
      static_assert(std::is_same_v<decltype(set), simd::generic<double>>);
    });
}

TEST_CASE("simd: dispatch hands back what the call returns, references too") {
  int value = 3;
  int& same = simd::dispatch<float>(isa::generic, [&](auto) -> int& { return value; });
  same = 4;
  CHECK(value == 4);
}
