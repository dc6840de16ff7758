// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Vector kernels of optimizer steps.
#pragma once

#include <cmath>

#include <dsr1/backend/optimizer_ops.hpp>
#include <dsr1/cpu/simd.hpp>

namespace dsr1::simd {

template <class Isa>
struct optimizer_kernels;

#define DSR1_KERNELS <dsr1/cpu/kernels/optimizers.inc>
#include <dsr1/cpu/kernels/for_each_isa.inc>

}  // namespace dsr1::simd
