// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The one way in which kernels start, and how host arrays reach them.
#pragma once

#if defined(__CUDACC__) && !defined(__CUDACC_RELAXED_CONSTEXPR__)
#error "dsr1/cuda: kernels call constexpr functions; give nvcc --expt-relaxed-constexpr"
#endif

#include <algorithm>
#include <limits>
#include <span>

#include <dsr1/cuda/device.cuh>
#include <dsr1/tensor/view.hpp>
#include <dsr1/tensor/workspace.hpp>

namespace dsr1 {

/// Threads of a block where nothing else decides.
inline constexpr int cuda_block = 256;

/// Starts kernel<<<blocks, threads>>>(arguments...) in the stream of the context; nothing when
/// there are no blocks. Kernels use static shared memory only. Throws `error` naming the operation
/// when it cannot be started and, with `wait_for_each`, when it fails.
template <class Ctx, class... Parameters, class... Arguments>
void launch(Ctx& ctx, std::string_view operation, index_t blocks, int threads,
            void (*kernel)(Parameters...), Arguments&&... arguments) {
  if (blocks == 0) return;
  expects(blocks <= std::numeric_limits<int>::max(), operation, ": ", blocks,
          " blocks, expected at most 2147483647");
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(static_cast<unsigned>(blocks));
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.stream = ctx.device().stream();
  check(cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...), operation);
  ctx.device().launched(operation);
}

/// The number of this thread in a grid of one thread per element.
__device__ inline index_t thread_number() {
  return static_cast<index_t>(blockIdx.x) * static_cast<index_t>(blockDim.x) +
         static_cast<index_t>(threadIdx.x);
}

/// Starts one thread per element; the kernel compares thread_number() with the count.
template <class Ctx, class... Parameters, class... Arguments>
void launch_each(Ctx& ctx, std::string_view operation, index_t count, void (*kernel)(Parameters...),
                 Arguments&&... arguments) {
  launch(ctx, operation, ceil_div(count, index_t{cuda_block}), cuda_block, kernel,
         std::forward<Arguments>(arguments)...);
}

/// A copy of a host array in the workspace, made in the stream; the array may change at once.
template <class Ctx, class T>
view<const std::remove_const_t<T>, 1> on_device(Ctx& ctx, std::span<T> host) {
  auto there = ctx.template take<std::remove_const_t<T>>(static_cast<index_t>(host.size()));
  if (!host.empty())
    check(cudaMemcpyAsync(there.data, host.data(), host.size_bytes(), cudaMemcpyHostToDevice,
                          ctx.device().stream()),
          "cudaMemcpyAsync");
  return there;
}

}  // namespace dsr1
