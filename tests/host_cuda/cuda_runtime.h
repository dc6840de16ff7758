// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Kernels as functions of the host, and their launch; see cuda_runtime_api.h.
#pragma once

#include "cuda_runtime_api.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __restrict__ __restrict
#define __shared__ static  // blocks run one after the other

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  void* attrs = nullptr;
  unsigned numAttrs = 0;
};

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* c, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  auto& facts = host_cuda::facts();
  ++facts.launches;
  if (facts.next_launch != cudaSuccess) return std::exchange(facts.next_launch, cudaSuccess);
  const unsigned threads = c->blockDim.x * c->blockDim.y * c->blockDim.z;
  if (c->gridDim.x == 0 || c->gridDim.x > 0x7fffffffu || c->gridDim.y == 0 ||
      c->gridDim.y > 65535 || c->gridDim.z == 0 || c->gridDim.z > 65535 || threads == 0 ||
      threads > 1024 || c->dynamicSmemBytes > 0)
    return cudaErrorInvalidConfiguration;
  const host_cuda::device_memory::opened open;
  host_cuda::block::current().run_grid(c->gridDim, c->blockDim, [&] { kernel(arguments...); });
  return cudaSuccess;
}
