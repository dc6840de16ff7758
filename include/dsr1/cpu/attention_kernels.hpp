// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Vector kernels of attention: softmax of a row of scores, its gradient, rotation.
#pragma once

#include <limits>

#include <dsr1/cpu/simd.hpp>

namespace dsr1::simd {

template <class T>
inline constexpr T lane_numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

template <class Isa>
struct attention_kernels;

#define DSR1_KERNELS <dsr1/cpu/kernels/attention.inc>
#include <dsr1/cpu/kernels/for_each_isa.inc>

}  // namespace dsr1::simd
