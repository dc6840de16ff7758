// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Products with coded weights on a CUDA device.

#include "battery/quant_ops.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/quant_ops.cuh>

using namespace dsr1;

using backend = cuda_part<cuda_quant, cuda_residence>;
static_assert(quant_ops<context<backend>, float> && quant_ops<context<backend>, double>);

TEMPLATE_TEST_CASE("cuda quant_ops: products with coded weights", "[cuda]", float, double) {
  context<backend> ctx;
  battery::coded_matmul<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cuda quant_ops: parts and rows", "[cuda]", float, double) {
  context<backend> ctx;
  battery::coded_parts<TestType>(ctx);
  battery::coded_apart<TestType>(ctx);
  battery::coded_rows<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cuda quant_ops: a token has the same bits alone and in every batch", "[cuda]",
                   float, double) {
  context<backend> ctx;
  battery::coded_tokens_are_independent<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cuda quant_ops: errors", "[cuda]", float, double) {
  context<backend> ctx;
  battery::coded_errors<TestType>(ctx);
}

TEST_CASE("cuda quant_ops: weights in host memory are refused by name", "[cuda]") {
  context<backend> ctx;
  const auto w = battery::weights(coding::mxfp4, 1, 6, 32);
  const battery::device_matrix<context<backend>, float> x(ctx, 1, 32), y(ctx, 1, 6);
  const index_t ends[] = {1};
  CHECK(mentions(message_of([&] {
                   backend::coded_matmul(ctx, x.in(), row_groups(ends), w, y.out(),
                                         view<const float, 2>());
                 }),
                 "mxfp4 [6, 32]", "host memory", "resident"));
}
