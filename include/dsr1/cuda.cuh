// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// All headers of cuda/.
#pragma once

#include <dsr1/cuda/check.hpp>
#include <dsr1/cuda/device.cuh>
#include <dsr1/cuda/launch.cuh>
#include <dsr1/cuda/tensor_ops.cuh>
#include <dsr1/cuda/warp.cuh>
