// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The CUDA backend: the join of its operation groups, for `context<cuda>`.
#pragma once

#include <dsr1/backend/context.hpp>
#include <dsr1/cuda/attention_ops.cuh>
#include <dsr1/cuda/device.cuh>
#include <dsr1/cuda/glu_ops.cuh>
#include <dsr1/cuda/linear_ops.cuh>
#include <dsr1/cuda/loss_ops.cuh>
#include <dsr1/cuda/norm_ops.cuh>
#include <dsr1/cuda/optimizer_ops.cuh>
#include <dsr1/cuda/policy_ops.cuh>
#include <dsr1/cuda/quant_ops.cuh>
#include <dsr1/cuda/residence_ops.cuh>
#include <dsr1/cuda/routing_ops.cuh>
#include <dsr1/cuda/row_ops.cuh>
#include <dsr1/cuda/tensor_ops.cuh>
#include <dsr1/cuda/wire_ops.cuh>

namespace dsr1 {

struct cuda : cuda_tensor,
              cuda_linear,
              cuda_quant,
              cuda_residence,
              cuda_norm,
              cuda_rows,
              cuda_glu,
              cuda_routing,
              cuda_attention,
              cuda_loss,
              cuda_policy,
              cuda_optimizer,
              cuda_wire {
  using device = cuda_device;
};

}  // namespace dsr1
