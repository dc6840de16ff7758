// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Gated units on a CUDA device.

#include "battery/glu_ops.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/glu_ops.cuh>

using namespace dsr1;

using backend = cuda_part<cuda_glu>;
static_assert(glu_ops<context<backend>, float> && glu_ops<context<backend>, double>);

TEMPLATE_TEST_CASE("cuda glu_ops: battery", "[cuda]", float, double) {
  context<backend> ctx;
  battery::gated_unit<TestType>(ctx);
  battery::gated_unit_extremes<TestType>(ctx);
  battery::glu_errors<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cuda glu_ops: pairs have the same bits wherever they lie", "[cuda]", float,
                   double) {
  context<backend> ctx;
  const index_t rows = 3, hidden = 150;
  const auto x = battery::normals<TestType>(rows * 2 * hidden, 1, 3),
             dy = battery::normals<TestType>(rows * hidden, 2);
  std::vector<TestType> first_y, first_dx;
  // A whole matrix; slices beginning at an even and at an odd column, with rows of either parity.
  for (const battery::margin around : {battery::margin{0, 0}, {2, 2}, {2, 1}, {1, 1}, {3, 2}}) {
    const battery::device_matrix<context<backend>, TestType> in(ctx, rows, 2 * hidden, x, around),
        up(ctx, rows, hidden, dy), y(ctx, rows, hidden), dx(ctx, rows, 2 * hidden, around);
    backend::gated_unit(ctx, glu::clamped_swiglu(), in.in(), y.out());
    backend::gated_unit_backward(ctx, glu::clamped_swiglu(), up.in(), in.in(), dx.out());
    if (first_y.empty()) first_y = y.host(), first_dx = dx.host();
    battery::check_same(y.host(), first_y, "gated_unit");
    battery::check_same(dx.host(), first_dx, "gated_unit_backward");
  }
}
