// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// RMSNorm on a CUDA device.

#include "battery/norm_ops.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/norm_ops.cuh>

using namespace dsr1;

using backend = cuda_part<cuda_norm>;
static_assert(norm_ops<context<backend>, float> && norm_ops<context<backend>, double>);

namespace {

template <class T>
using device_vector = battery::device_vector<context<backend>, T>;
template <class T>
using device_matrix = battery::device_matrix<context<backend>, T>;

/// Forward and backward on the device against the CPU.
template <class T>
void against_the_cpu(index_t rows, index_t n) {
  context<backend> ctx;
  context<cpu> host({.threads = 1});
  const auto x = battery::normals<T>(rows * n, 1), w = battery::normals<T>(n, 2),
             dy = battery::normals<T>(rows * n, 3);
  auto y = x, dx = x, r = battery::normals<T>(rows, 4), dw = battery::normals<T>(n, 5);
  const device_vector<T> weight(ctx, w), inverse(ctx, rows), dweight(ctx, dw);
  const device_matrix<T> in(ctx, rows, n, x), up(ctx, rows, n, dy), out(ctx, rows, n),
      back(ctx, rows, n);
  backend::rms_norm(ctx, in.in(), weight.in(), 1e-5, norm_rounding::none, out.out(), inverse.out());
  backend::rms_norm_backward(ctx, up.in(), in.in(), weight.in(), inverse.in(), back.out(),
                             dweight.out(), accumulate::yes);
  const view<const T, 1> whole(w.data(), n);
  cpu::rms_norm(host, battery::matrix_of(x, rows, n), whole, 1e-5, norm_rounding::none,
                battery::matrix_of(y, rows, n), view<T, 1>(r.data(), rows));
  cpu::rms_norm_backward(host, battery::matrix_of(dy, rows, n), battery::matrix_of(x, rows, n),
                         whole, view<const T, 1>(r.data(), rows), battery::matrix_of(dx, rows, n),
                         view<T, 1>(dw.data(), n), accumulate::yes);
  const std::string what = text("rms_norm ", rows, " x ", n);
  battery::check_close(out.host(), battery::doubles(y), what);
  battery::check_close(inverse.host(), battery::doubles(r), what + ", the inverse root");
  battery::check_close(back.host(), battery::doubles(dx), what + ", backward");
  battery::check_close(dweight.host(), battery::doubles(dw), what + ", the weight");
}

}  // namespace

TEMPLATE_TEST_CASE("cuda norm_ops: battery", "[cuda]", float, double) {
  context<backend> ctx;
  battery::rms_norm<TestType>(ctx);
  battery::rms_norm_of_zeros<TestType>(ctx);
  battery::rms_norm_roundings<TestType>(ctx);
  battery::rms_norm_backward<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cuda norm_ops: errors", "[cuda]", float, double) {
  context<backend> ctx;
  battery::norm_errors<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cuda norm_ops: rows of a warp, of a block, and many chunks: as the CPU",
                   "[cuda]", float, double) {
  against_the_cpu<TestType>(9, cuda_kernels::norm_warp_columns);
  against_the_cpu<TestType>(9, cuda_kernels::norm_warp_columns + 1);
  against_the_cpu<TestType>(2, 7168);
  against_the_cpu<TestType>(4 * cuda_kernels::norm_fold + 1, 3);  // sums of sums
  against_the_cpu<TestType>(10'000, 2);                           // longer chunks
  against_the_cpu<TestType>(4 * cuda_kernels::norm_fold + 3, cuda_kernels::norm_warp_columns + 1);
}

TEMPLATE_TEST_CASE("cuda norm_ops: a row alone has the bits that it has among others", "[cuda]",
                   float, double) {
  context<backend> ctx;
  for (const index_t n : {77, 1500}) {
    const index_t rows = 19;
    const device_matrix<TestType> x(ctx, rows, n, battery::normals<TestType>(rows * n, 1)),
        together(ctx, rows, n), alone(ctx, rows, n);
    const device_vector<TestType> w(ctx, battery::normals<TestType>(n, 2)), r(ctx, rows);
    backend::rms_norm(ctx, x.in(), w.in(), 1e-5, norm_rounding::before_weight, together.out(),
                      r.out());
    for (index_t t = 0; t < rows; ++t)
      backend::rms_norm(ctx, x.in().slice_rows(t, 1), w.in(), 1e-5, norm_rounding::before_weight,
                        alone.out().slice_rows(t, 1), r.out().slice_rows(t, 1));
    battery::check_same(alone.host(), together.host(), text("alone, ", n, " columns"));
  }
}
