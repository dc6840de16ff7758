// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Dense products through cuBLASLt: the same battery, and what it is asked.

#include "battery/linear_ops.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/blas.cuh>
#include <dsr1/cuda/linear_ops.cuh>

using namespace dsr1;

using backend = cuda_part<cuda_linear>;

TEMPLATE_TEST_CASE("cuda blas: products", "[cuda]", float, double) {
  context<backend> ctx;
  use_cublas(ctx);
  battery::matmul<TestType>(ctx);
  battery::linear_errors<TestType>(ctx);
}

TEST_CASE("cuda blas: statuses become errors that name the function") {
  check(CUBLAS_STATUS_SUCCESS, "cublasLtMatmul");
  CHECK(message_of([] { check(CUBLAS_STATUS_EXECUTION_FAILED, "cublasLtMatmul"); }) ==
        "cublasLtMatmul failed: cuBLAS status 13");
}

TEST_CASE("cuda blas: one way of rounding at a time", "[cuda]") {
  CHECK(mentions(message_of([] { cublas_products both({.tf32 = true, .bf16 = true}); }), "tf32",
                 "bf16", "expected one"));
}

#if defined(DSR1_HOST_CUDA)

TEST_CASE("cuda blas: one search for all numbers of rows, and what it cannot take is done anyway") {
  const host_cuda::restored played(host_cuda::blas());
  auto& facts = host_cuda::blas();
  facts = {};
  context<backend> ctx;
  const auto run = [&](index_t m, index_t n, index_t k, battery::margin around = {}) {
    ctx.workspace().reset();
    const auto x = battery::normals<float>(m * k, 1), w = battery::normals<float>(n * k, 2);
    const battery::device_matrix<context<backend>, float> a(ctx, m, k, x, around), b(ctx, n, k, w),
        c(ctx, m, n);
    backend::matmul(ctx, a.mat(), b.transposed(), c.out(), accumulate::no, view<const float, 1>());
    std::vector<double> expected;
    for (index_t i = 0; i < m; ++i)
      for (index_t j = 0; j < n; ++j) {
        double sum = 0;
        for (index_t p = 0; p < k; ++p)
          sum += static_cast<double>(x[battery::at(i * k + p)]) *
                 static_cast<double>(w[battery::at(j * k + p)]);
        expected.push_back(sum);
      }
    battery::check_close(c.host(), expected, "product");
  };
  run(5, 8, 16);
  CHECK(facts.products == 0);
  use_cublas(ctx);
  for (const index_t m : {1, 5, 64, 3000}) run(m, 8, 16);
  CHECK(facts.products == 4);
  CHECK(facts.searches == 1);
  CHECK(facts.compute == CUBLAS_COMPUTE_32F);
  run(5, 8, 15);  // strides of no 16 bytes
  run(5, 8, 16, {3, 5});
  CHECK(facts.products == 4);
  facts.next = CUBLAS_STATUS_NOT_SUPPORTED;
  run(5, 8, 16);
  CHECK(facts.products == 4);
  facts.finds = false;
  run(5, 12, 16);
  run(6, 12, 16);
  CHECK(facts.searches == 2);
  facts.finds = true;
  facts.next = CUBLAS_STATUS_EXECUTION_FAILED;
  CHECK(mentions(message_of([&] { run(5, 8, 16); }), "cublasLtMatmul failed", "13"));
  use_cublas(ctx, {.tf32 = true});
  run(5, 8, 16);
  CHECK(facts.compute == CUBLAS_COMPUTE_32F_FAST_TF32);
  use_cublas(ctx, {.bf16 = true});
  run(5, 8, 16);
  CHECK(facts.compute == CUBLAS_COMPUTE_32F_FAST_16BF);
}

TEST_CASE("cuda blas: where the context rounds, so does the library") {
  const host_cuda::restored played(host_cuda::blas());
  context<backend> ctx({.products = product_type::bf16});
  const battery::device_matrix<context<backend>, float> a(ctx, 4, 4), b(ctx, 4, 4), c(ctx, 4, 4);
  const auto compute_with = [&](const cublas_options& options) {
    use_cublas(ctx, options);
    backend::matmul(ctx, a.mat(), b.mat(), c.out(), accumulate::no, view<const float, 1>());
    return host_cuda::blas().compute;
  };
  CHECK(compute_with({}) == CUBLAS_COMPUTE_32F_FAST_16BF);
  CHECK(compute_with({.tf32 = true}) == CUBLAS_COMPUTE_32F_FAST_TF32);
}

#endif
