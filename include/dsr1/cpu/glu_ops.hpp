// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Gated linear units on the CPU.
#pragma once

#include <dsr1/backend/glu_ops.hpp>
#include <dsr1/cpu/tensor_ops.hpp>

namespace dsr1 {

/// The group `glu_ops` of the backend contract.
struct cpu_glu {
  template <class Ctx, class T>
  static void gated_unit(Ctx& ctx, const glu& f, view<const T, 2> x, view<T, 2> y) {
    expect_gated_unit(x, y);
    simd::dispatch<T>(ctx.device().instructions(), [&](auto instructions) {
      using kernels = simd::row_kernels<decltype(instructions)>;
      parallel_rows(ctx, x.rows(), x.columns(), [&](index_t first, index_t count) {
        for (index_t t = first; t < first + count; ++t)
          kernels::gated_unit(x.row(t), y.row(t), y.columns(), static_cast<T>(f.alpha),
                              static_cast<T>(f.limit), static_cast<T>(f.offset));
      });
    });
  }

  template <class Ctx, class T>
  static void gated_unit_backward(Ctx& ctx, const glu& f, view<const T, 2> dy, view<const T, 2> x,
                                  view<T, 2> dx) {
    expect_gated_unit_backward(dy, x, dx);
    simd::dispatch<T>(ctx.device().instructions(), [&](auto instructions) {
      using kernels = simd::row_kernels<decltype(instructions)>;
      parallel_rows(ctx, x.rows(), x.columns(), [&](index_t first, index_t count) {
        for (index_t t = first; t < first + count; ++t)
          kernels::gated_unit_backward(dy.row(t), x.row(t), dx.row(t), dy.columns(),
                                       static_cast<T>(f.alpha), static_cast<T>(f.limit),
                                       static_cast<T>(f.offset));
      });
    });
  }
};

}  // namespace dsr1
