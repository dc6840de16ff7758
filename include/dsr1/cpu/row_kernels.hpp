// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Vector kernels on one row: addition, scaling, normalisation, gated units.
#pragma once

#include <dsr1/cpu/simd.hpp>

namespace dsr1::simd {

template <class Isa>
struct row_kernels;

#define DSR1_KERNELS <dsr1/cpu/kernels/rows.inc>
#include <dsr1/cpu/kernels/for_each_isa.inc>

}  // namespace dsr1::simd
