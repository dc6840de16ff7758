// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Moving rows by index on the CPU.
#pragma once

#include <algorithm>

#include <dsr1/backend/row_ops.hpp>
#include <dsr1/cpu/tensor_ops.hpp>

namespace dsr1 {

/// The group `row_ops` of the backend contract.
struct cpu_rows {
  using ids = view<const std::int32_t, 1>;
  using slot_table = view<const std::int32_t, 2>;

  template <class Ctx, class T>
  static void gather_rows(Ctx& ctx, view<const T, 2> x, ids rows, view<T, 2> y) {
    expect_gather_rows(x, rows, y);
    parallel_rows(ctx, y.rows(), y.columns(), [&](index_t first, index_t count) {
      for (index_t i = first; i < first + count; ++i) {
        if (rows[i] < 0)
          std::fill_n(y.row(i), y.columns(), T(0));
        else
          std::copy_n(x.row(rows[i]), y.columns(), y.row(i));
      }
    });
  }

  /// Cut by columns, not rows: rows may repeat, and each sum must keep the order of i.
  template <class Ctx, class T>
  static void scatter_add_rows(Ctx& ctx, view<const T, 2> y, ids rows, view<T, 2> x) {
    expect_scatter_add_rows(y, rows, x);
    constexpr index_t width = 64;
    simd::dispatch<T>(ctx.device().instructions(), [&](auto instructions) {
      using kernels = simd::row_kernels<decltype(instructions)>;
      parallel_for(ctx, ceil_div(x.columns(), width), [&](index_t block, int) {
        const index_t first = block * width, count = std::min(width, x.columns() - first);
        for (index_t i = 0; i < rows.rows(); ++i)
          if (rows[i] >= 0) kernels::add(y.row(i) + first, x.row(rows[i]) + first, count);
      });
    });
  }

  template <class Ctx, class T>
  static void combine_rows(Ctx& ctx, view<const T, 2> x, slot_table slots, view<const T, 2> weights,
                           view<T, 2> y) {
    expect_combine_rows(x, slots, weights, y);
    simd::dispatch<T>(ctx.device().instructions(), [&](auto instructions) {
      using kernels = simd::row_kernels<decltype(instructions)>;
      parallel_rows(ctx, y.rows(), y.columns() * slots.columns(),
                    [&](index_t begin, index_t count) {
                      for (index_t t = begin; t < begin + count; ++t) {
                        bool first = true;
                        for (index_t j = 0; j < slots.columns(); ++j) {
                          if (slots(t, j) < 0) continue;
                          kernels::scaled_add(weights.data ? weights(t, j) : T(1),
                                              x.row(slots(t, j)), y.row(t), y.columns(), first);
                          first = false;
                        }
                        if (first) std::fill_n(y.row(t), y.columns(), T(0));
                      }
                    });
    });
  }

  template <class Ctx, class T>
  static void combine_rows_backward(Ctx& ctx, view<const T, 2> dy, view<const T, 2> x,
                                    slot_table slots, view<const T, 2> weights, view<T, 2> dx,
                                    view<T, 2> dweights) {
    expect_combine_rows_backward(dy, x, slots, weights, dx, dweights);
    simd::dispatch<T>(ctx.device().instructions(), [&](auto instructions) {
      using kernels = simd::row_kernels<decltype(instructions)>;
      parallel_rows(ctx, dy.rows(), dy.columns() * slots.columns(),
                    [&](index_t begin, index_t count) {
                      for (index_t t = begin; t < begin + count; ++t)
                        for (index_t j = 0; j < slots.columns(); ++j) {
                          dweights(t, j) = 0;
                          if (slots(t, j) < 0) continue;
                          const T* row = x.row(slots(t, j));
                          dweights(t, j) = kernels::dot(dy.row(t), row, dy.columns());
                          kernels::scaled_add(weights(t, j), dy.row(t), dx.row(slots(t, j)),
                                              dy.columns(), true);
                        }
                    });
    });
  }
};

}  // namespace dsr1
