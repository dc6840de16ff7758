// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All headers of cuda/.
#pragma once

#include <dsr1/cuda/attention_backward.cuh>
#include <dsr1/cuda/attention_forward.cuh>
#include <dsr1/cuda/attention_ops.cuh>
#include <dsr1/cuda/attention_tiles.cuh>
#include <dsr1/cuda/blas.cuh>
#include <dsr1/cuda/check.hpp>
#include <dsr1/cuda/coded.cuh>
#include <dsr1/cuda/counting_sort.cuh>
#include <dsr1/cuda/cuda.cuh>
#include <dsr1/cuda/device.cuh>
#include <dsr1/cuda/glu_ops.cuh>
#include <dsr1/cuda/groups.cuh>
#include <dsr1/cuda/launch.cuh>
#include <dsr1/cuda/linear_ops.cuh>
#include <dsr1/cuda/loss_ops.cuh>
#include <dsr1/cuda/mixed_products.cuh>
#include <dsr1/cuda/mma.cuh>
#include <dsr1/cuda/norm_ops.cuh>
#include <dsr1/cuda/optimizer_ops.cuh>
#include <dsr1/cuda/policy_ops.cuh>
#include <dsr1/cuda/quant_ops.cuh>
#include <dsr1/cuda/residence_ops.cuh>
#include <dsr1/cuda/routing_kernels.cuh>
#include <dsr1/cuda/routing_ops.cuh>
#include <dsr1/cuda/row_ops.cuh>
#include <dsr1/cuda/tensor_ops.cuh>
#include <dsr1/cuda/token_room.cuh>
#include <dsr1/cuda/warp.cuh>
#include <dsr1/cuda/wire_codes.cuh>
#include <dsr1/cuda/wire_ops.cuh>
