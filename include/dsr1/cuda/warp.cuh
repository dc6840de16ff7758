// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Sums and maxima over the lanes of a warp and the threads of a block, in a fixed order.
#pragma once

#include <cuda_runtime.h>

#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

inline constexpr int warp_size = 32;
inline constexpr unsigned all_lanes = 0xffffffffu;

__device__ inline int lane_number() { return static_cast<int>(threadIdx.x) % warp_size; }
__device__ inline int warp_number() { return static_cast<int>(threadIdx.x) / warp_size; }

struct plus {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct larger {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};

/// op over the 32 lanes, the same bits in all of them; op commutes. All lanes take part.
template <class T, class Op = plus>
__device__ T warp_reduce(T value, Op op = {}) {
#pragma unroll
  for (int distance = warp_size / 2; distance > 0; distance /= 2)
    value = op(value, __shfl_xor_sync(all_lanes, value, distance));
  return value;
}

/// op over the `Threads` threads of the block, the same bits in all of them. All threads take part;
/// it begins and ends with a barrier.
template <int Threads, class T, class Op = plus>
__device__ T block_reduce(T value, Op op = {}) {
  static_assert(Threads % warp_size == 0 && Threads <= 1024);
  constexpr int warps = Threads / warp_size;
  __shared__ T part[warps];
  value = warp_reduce(value, op);
  __syncthreads();  // the parts of an earlier reduction have been read
  if (lane_number() == 0) part[warp_number()] = value;
  __syncthreads();
  value = part[0];
#pragma unroll
  for (int w = 1; w < warps; ++w) value = op(value, part[w]);
  return value;
}

}  // namespace dsr1
