// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Cross-entropy on a CUDA device.
#pragma once

#include <cmath>
#include <limits>

#include <dsr1/backend/loss_ops.hpp>
#include <dsr1/cuda/launch.cuh>
#include <dsr1/cuda/warp.cuh>

namespace dsr1 {

namespace cuda_kernels {

/// The threads of a row of logits.
inline constexpr int loss_block = 512;

/// A block per row: it reads the logits once for the loss and once more for the gradient.
template <class T>
__global__ void cross_entropy_rows(view<T, 2> logits, view<const std::int32_t, 1> targets,
                                   double scale, double z, bool gradient, view<T, 1> loss) {
  constexpr T excluded = -std::numeric_limits<T>::infinity();
  constexpr index_t together = 4;  // loads in flight
  const index_t t = blockIdx.x, n = logits.columns(), target = targets[t];
  const auto first = static_cast<index_t>(threadIdx.x);
  T* const x = logits.row(t);
  if (target < 0) {  // the whole block
    if (first == 0) loss[t] = 0;
    if (gradient)
      for (index_t i = first; i < n; i += loss_block) x[i] = 0;
    return;
  }
  const T wanted = x[target];
  T top = excluded, sum = 0;  // sum of exp(x - top)
  for (index_t start = first; start < n; start += together * loss_block) {
    T v[together];
#pragma unroll
    for (index_t k = 0; k < together; ++k) {
      const index_t i = start + k * loss_block;
      v[k] = i < n ? x[i] : excluded;
    }
#pragma unroll
    for (index_t k = 0; k < together; ++k)
      if (v[k] > top) {
        sum = sum * std::exp(top - v[k]) + T(1);
        top = v[k];
      } else if (v[k] != excluded) {  // or the difference of two infinities
        sum += std::exp(v[k] - top);
      }
  }
  // Infinite tops make the factor NaN, as they make the loss.
  const T own = top;
  top = block_reduce<loss_block>(own, larger());
  sum = block_reduce<loss_block>(sum * std::exp(own - top));
  __shared__ T factor;
  if (first == 0) {
    const T lse = top + std::log(sum);
    loss[t] = lse - wanted + static_cast<T>(z) * lse * lse;
    factor =
        static_cast<T>(scale * (1 + 2 * z * static_cast<double>(lse)) / static_cast<double>(sum));
  }
  if (!gradient) return;
  __syncthreads();
#pragma unroll 4
  for (index_t i = first; i < n; i += loss_block) {
    const T d = std::exp(x[i] - top) * factor;
    x[i] = i == target ? d - static_cast<T>(scale) : d;
  }
}

}  // namespace cuda_kernels

/// The group `loss_ops` of the backend contract.
struct cuda_loss {
  template <class Ctx, class T>
  static void cross_entropy_rows(Ctx& ctx, view<T, 2> logits, view<const std::int32_t, 1> targets,
                                 double scale, double z, logits_become become, view<T, 1> loss) {
    expect_cross_entropy_rows(logits, targets, loss);
    launch(ctx, "cross_entropy_rows", logits.rows(), cuda_kernels::loss_block,
           cuda_kernels::cross_entropy_rows<T>, logits, targets, scale, z,
           become == logits_become::gradient, loss);
  }
};

}  // namespace dsr1
