// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Runs a generic function for each instruction set that this processor has.
#pragma once

#include "battery/context.hpp"
#include "cpu/guarded.hpp"
#include "cpu/isa_guard.hpp"

#include <dsr1/cpu/simd.hpp>

/// f(set) for the sets whose number type is float, and for the portable set of double.
template <class F>
void for_each_isa(F&& f) {
  f(dsr1::simd::generic<double>{});
  for (const dsr1::isa which : available_isas()) {
    INFO("instruction set " << dsr1::name_of(which));
    dsr1::simd::dispatch<float>(which, f);
  }
}

inline std::size_t at(dsr1::index_t i) { return static_cast<std::size_t>(i); }

/// Lengths around one and two vectors.
inline const dsr1::index_t lengths[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100};
