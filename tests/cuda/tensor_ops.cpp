// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Whole-tensor operations on a CUDA device.

#include "battery/tensor_ops.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/tensor_ops.cuh>

using namespace dsr1;

// [battery]
using backend = cuda_part<cuda_tensor>;
static_assert(tensor_ops<context<backend>, float> && tensor_ops<context<backend>, double>);

TEMPLATE_TEST_CASE("cuda tensor_ops: battery", "[cuda]", float, double) {
  context<backend> ctx;
  battery::fill_and_scale<TestType>(ctx);
  battery::fill_normal<TestType>(ctx);
  battery::copy_and_add<TestType>(ctx);
  battery::dot<TestType>(ctx);
  battery::tensor_errors<TestType>(ctx);
}
// [/battery]
