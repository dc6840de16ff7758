// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A backend of some groups of operations of the CUDA backend, for the tests of those groups.
#pragma once

#include "catch.hpp"

#include <dsr1/cuda/device.cuh>
#include <dsr1/cuda/tensor_ops.cuh>

/// The given groups; uploading and downloading are always there.
template <class... Groups>
struct cuda_part : dsr1::cuda_tensor, Groups... {
  using device = dsr1::cuda_device;
};
template <>
struct cuda_part<dsr1::cuda_tensor> : dsr1::cuda_tensor {
  using device = dsr1::cuda_device;
};
