// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Vector kernels on rows of logits.
#pragma once

#include <limits>

#include <dsr1/cpu/simd.hpp>

namespace dsr1::simd {

template <class Isa>
struct loss_kernels;

#define DSR1_KERNELS <dsr1/cpu/kernels/loss.inc>
#include <dsr1/cpu/kernels/for_each_isa.inc>

}  // namespace dsr1::simd
