// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Products with coded weights: the kernels that decode in registers and those that decode once.
#pragma once

#include <cstdint>
#include <cstring>

#include <dsr1/cpu/coded_lanes.hpp>

namespace dsr1::simd {

/// Rows of weights, four at a time: the next four lie so many bytes behind these.
struct coded_rows_run {
  coded_row row[4] = {};
  index_t code_step = 0, scale_step = 0;
  index_t fours = 1;
  int count = 4;  ///< how many of each four are wanted
  /// Where memory is asked for ahead of time, step by step for so many rows; two places when two
  /// parts alternate. They may lie outside the matrix, so they are no pointers.
  std::uintptr_t ahead[2] = {};
  index_t ahead_rows = 0;
};

template <class Isa>
struct coded_kernels;

#define DSR1_KERNELS <dsr1/cpu/kernels/coded.inc>
#include <dsr1/cpu/kernels/for_each_isa.inc>

}  // namespace dsr1::simd
