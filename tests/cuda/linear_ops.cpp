// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Products on a CUDA device.

#include "battery/linear_ops.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/linear_ops.cuh>

using namespace dsr1;

using backend = cuda_part<cuda_linear>;
static_assert(linear_ops<context<backend>, float> && linear_ops<context<backend>, double>);

TEMPLATE_TEST_CASE("cuda linear_ops: products", "[cuda]", float, double) {
  context<backend> ctx;
  battery::matmul<TestType>(ctx);
  battery::column_sum<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cuda linear_ops: grouped products", "[cuda]", float, double) {
  context<backend> ctx;
  battery::m_grouped<TestType>(ctx, 9, 33);
  battery::m_grouped<TestType>(ctx, 40, 16);
  battery::k_grouped<TestType>(ctx, 9, 33);
  battery::k_grouped<TestType>(ctx, 32, 5);
}

TEMPLATE_TEST_CASE("cuda linear_ops: errors", "[cuda]", float, double) {
  context<backend> ctx;
  battery::linear_errors<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cuda linear_ops: a row of a product does not depend on the other rows",
                   "[cuda]", float, double) {
  context<backend> ctx;
  battery::rows_are_independent<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cuda linear_ops: products of bfloat16 with sums in float", "[cuda]", float,
                   double) {
  context<backend> ctx({.products = product_type::bf16});
  battery::matmul<TestType>(ctx);
  battery::m_grouped<TestType>(ctx, 9, 33);
  battery::m_grouped<TestType>(ctx, 40, 16);
  battery::k_grouped<TestType>(ctx, 9, 33);
  battery::k_grouped<TestType>(ctx, 32, 5);
}

TEST_CASE("cuda linear_ops: a row of a product of bfloat16 does not depend on the others",
          "[cuda]") {
  context<backend> ctx({.products = product_type::bf16});
  battery::rows_are_independent<float>(ctx, {7, 32, 257}, {1, 16, 70});
}
