// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The tensor core's product of bfloat16 numbers, and how numbers get there. On the host, where a
// runtime of ours plays the device, the same by loops.
#pragma once

#include <bit>

#include <dsr1/core/float16.hpp>
#include <dsr1/cuda/warp.cuh>

namespace dsr1 {

/// Two bfloat16 in a word, the first in the lower half: to nearest, ties to even, NaN stays NaN.
__device__ inline unsigned bf16_pair(float first, float second) {
#if defined(__CUDACC__)
  unsigned pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
  return pair;
#else
  // The instruction knows one NaN only.
  const auto bits = [](float x) { return x == x ? unsigned{bf16(x).bits} : 0x7fffu; };
  return bits(second) << 16 | bits(first);
#endif
}

/// What lane 4 g + t has of a [16, 16]: pairs of columns 2 t and 2 t + 8 of rows g and g + 8, the
/// rows first.
struct mma_left {
  unsigned pair[4];
};
/// What lane 4 g + t has of b [16, 8]: pairs of rows 2 t and 2 t + 8 of column g.
struct mma_right {
  unsigned pair[2];
};

/// c [16, 8] += a b, sums in float. Lane 4 g + t has columns 2 t and 2 t + 1 of row g of c, then of
/// row g + 8. All lanes take part.
__device__ inline void mma(const mma_left& a, const mma_right& b, float (&c)[4]) {
#if defined(__CUDACC__)
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a.pair[0]), "r"(a.pair[1]), "r"(a.pair[2]), "r"(a.pair[3]), "r"(b.pair[0]),
        "r"(b.pair[1]));
#else
  __shared__ mma_left lefts[1024 / warp_size][warp_size];
  __shared__ mma_right rights[1024 / warp_size][warp_size];
  const int warp = warp_number(), g = lane_number() / 4, t = lane_number() % 4;
  lefts[warp][lane_number()] = a;
  rights[warp][lane_number()] = b;
  __syncwarp();
  const auto number = [](unsigned pair, int i) {
    return std::bit_cast<float>(i == 0 ? pair << 16 : pair & 0xffff0000u);
  };
  float sum[4] = {};
  for (int i = 0; i < 4; ++i)
    for (int p = 0; p < 16; ++p) {
      const int lane = p % 8 / 2;  // of the four that have the row, and of those with the column
      sum[i] += number(lefts[warp][4 * g + lane].pair[i / 2 + p / 8 * 2], p % 2) *
                number(rights[warp][4 * (2 * t + i % 2) + lane].pair[p / 8], p % 2);
    }
  for (int i = 0; i < 4; ++i) c[i] += sum[i];
  __syncwarp();  // all have read
#endif
}

}  // namespace dsr1
