// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All instruction sets, and the call of a kernel by the one that a device has.
#pragma once

#include <type_traits>

#include <dsr1/cpu/simd_avx2.hpp>
#include <dsr1/cpu/simd_avx512.hpp>
#include <dsr1/cpu/simd_generic.hpp>

namespace dsr1::simd {

/// Calls f with a value of the type that stands for the instruction set: f(avx2{}), say.
/// `double` always takes the generic path.
template <class T, class F>
decltype(auto) dispatch([[maybe_unused]] isa which, F&& f) {
#if defined(__x86_64__)
  if constexpr (std::is_same_v<T, float>) {
    if (which == isa::avx512) return f(avx512{});
    if (which == isa::avx2) return f(avx2{});
  }
#endif
  return f(generic<T>{});
}

}  // namespace dsr1::simd
