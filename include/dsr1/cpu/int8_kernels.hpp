// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Whole-number products for all instruction sets, and the choice of one.
#pragma once

#include <dsr1/cpu/int8_avx2.hpp>
#include <dsr1/cpu/int8_generic.hpp>
#include <dsr1/cpu/int8_vnni.hpp>

namespace dsr1::simd {

/// Like `dispatch`, with `avx512_vnni` where the processor has it.
template <class T, class F>
decltype(auto) dispatch_int8(isa which, F&& f) {
#if defined(__x86_64__)
  if constexpr (std::is_same_v<T, float>)
    if (which == isa::avx512 && has_vnni()) return f(avx512_vnni{});
#endif
  return dispatch<T>(which, f);
}

}  // namespace dsr1::simd
