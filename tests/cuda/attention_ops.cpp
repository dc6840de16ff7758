// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Rotation, caches and attention on a CUDA device.

#include "battery/attention_ops.hpp"
#include "battery/attention_cache.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/attention_ops.cuh>

using namespace dsr1;

using backend = cuda_part<cuda_attention>;
static_assert(attention_ops<context<backend>, float> && attention_ops<context<backend>, double>);

TEMPLATE_TEST_CASE("cuda attention_ops: forward and backward", "[cuda]", float, double) {
  context<backend> ctx;
  battery::attention<TestType>(ctx);
  battery::attention_extremes<TestType>(ctx);
  battery::attention_of_one_tensor<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cuda attention_ops: rotation and caches", "[cuda]", float, double) {
  context<backend> ctx;
  battery::rotate<TestType>(ctx);
  battery::attention_cached<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cuda attention_ops: errors", "[cuda]", float, double) {
  context<backend> ctx;
  battery::attention_errors<TestType>(ctx);
}
