// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Matrix products on the CPU: packed SIMD blocks for float, Eigen for double.
#pragma once

#include <algorithm>

#include <dsr1/backend/linear_ops.hpp>
#include <dsr1/cpu/device.hpp>
#include <dsr1/cpu/eigen.hpp>
#include <dsr1/cpu/gemm_kernels.hpp>
#include <dsr1/cpu/row_kernels.hpp>
#include <dsr1/tensor/workspace.hpp>

namespace dsr1 {

/// The group `linear_ops` of the backend contract (see backend/linear_ops.hpp).
/// A product is cut into blocks of C; a block belongs to one thread and its sums are never split.
struct cpu_linear {
  template <class Ctx, class T>
  static void matmul(Ctx& ctx, matrix<const T> a, matrix<const T> b, view<T, 2> c,
                     accumulate add = accumulate::no, view<const T, 1> bias = {}) {
    expect_matmul(a, b, c, bias);
    run_blocks(ctx, 1, c.rows(), c.columns(), a.columns, [&](index_t) {
      return product<T>{a, b, c, add == accumulate::yes, bias.data};
    });
  }

  /// y (+)= the sum of the rows of x.
  template <class Ctx, class T>
  static void column_sum(Ctx& ctx, view<const T, 2> x, view<T, 1> y, accumulate add) {
    expect_column_sum(x, y);
    const index_t ends[] = {x.rows()};
    grouped_column_sum(ctx, x, row_groups(ends), y.reshaped(index_t{1}, y.rows()), add);
  }

  /// c[rows of group g] = a[rows of group g] b[g], or b[g] transposed; bias is [groups, columns].
  template <class Ctx, class T>
  static void m_grouped_matmul(Ctx& ctx, view<const T, 2> a, const row_groups& groups,
                               view<const T, 3> b, bool transpose_b, view<T, 2> c,
                               view<const T, 2> bias = {}) {
    expect_m_grouped_matmul(a, groups, b, transpose_b, c, bias);
    run_blocks(ctx, groups.count(), groups.longest(), c.columns(), a.columns(), [&](index_t g) {
      const index_t first = groups.begin(g), count = groups.length(g);
      matrix<const T> w = b[g];
      return product<T>{a.slice_rows(first, count), transpose_b ? w.transposed() : w,
                        c.slice_rows(first, count), false, bias.data ? bias.row(g) : nullptr};
    });
  }

  /// c[g] (+)= a[rows of group g]^T b[rows of group g].
  template <class Ctx, class T>
  static void k_grouped_matmul(Ctx& ctx, view<const T, 2> a, view<const T, 2> b,
                               const row_groups& groups, view<T, 3> c, accumulate add) {
    expect_k_grouped_matmul(a, b, groups, c);
    run_blocks(ctx, groups.count(), a.columns(), b.columns(), groups.longest(), [&](index_t g) {
      const index_t first = groups.begin(g), count = groups.length(g);
      return product<T>{transposed(a.slice_rows(first, count)), b.slice_rows(first, count), c[g],
                        add == accumulate::yes, nullptr};
    });
  }

  /// y[g] (+)= the sum of the rows of group g of x.
  template <class Ctx, class T>
  static void grouped_column_sum(Ctx& ctx, view<const T, 2> x, const row_groups& groups,
                                 view<T, 2> y, accumulate add) {
    expect_grouped_column_sum(x, groups, y);
    // Wide stripes read memory in longer runs; narrow ones give every thread something to do.
    const index_t stripes = 2 * ctx.device().pool().size();
    const index_t width =
        std::clamp<index_t>(round_up(x.columns() * groups.count() / stripes, 64), 64, 1024);
    const index_t blocks = ceil_div(x.columns(), width);
    parallel_for(ctx, groups.count() * blocks, [&](index_t task, int) {
      const index_t g = task / blocks, first = task % blocks * width;
      const index_t count = std::min(width, x.columns() - first);
      T* const sum = y.row(g) + first;
      if (add == accumulate::no) std::fill_n(sum, count, T(0));
      simd::dispatch<T>(ctx.device().instructions(), [&](auto instructions) {
        using kernels = simd::row_kernels<decltype(instructions)>;
        for (index_t r = groups.begin(g); r < groups.end(g); ++r)
          kernels::add(x.row(r) + first, sum, count);
      });
    });
  }

 private:
  template <class T>
  struct product {
    matrix<const T> a;
    matrix<const T> b;
    matrix<T> c;
    bool add;
    const T* bias;
  };

  static constexpr index_t k_block = 256;

  /// Cuts every product into blocks of C and runs them. `rows`, `columns` and `k` bound the sizes.
  template <class Ctx, class Make>
  static void run_blocks(Ctx& ctx, index_t products, index_t rows, index_t columns, index_t k,
                         Make&& make) {
    using T = std::remove_const_t<std::remove_pointer_t<decltype(make(0).c.data)>>;
    const index_t m_block = 256;
    const int workers = ctx.device().pool().size();
    const index_t m_blocks = ceil_div(rows, m_block);
    // Narrow blocks where wide ones would be too few for all threads.
    const bool few = products * m_blocks * ceil_div(columns, 256) < 2 * workers;
    const index_t n_block = rows <= 16 || (few && workers > 1) ? 64 : 256;
    const index_t n_blocks = ceil_div(columns, n_block);
    const workspace::scope scope(ctx.workspace());
    const index_t scratch_size = n_block * k_block + 8 * (k_block + 64);
    const auto scratch = ctx.template take<T>(workers, scratch_size);
    auto block = [&](index_t task, int worker) {
      const product<T> p = make(task / (m_blocks * n_blocks));
      const index_t m = task / n_blocks % m_blocks * m_block, n = task % n_blocks * n_block;
      const index_t m_count = std::min(m_block, p.c.rows - m);
      const index_t n_count = std::min(n_block, p.c.columns - n);
      if (m_count > 0 && n_count > 0)
        multiply(ctx,
                 {rows_of(p.a, m, m_count), columns_of(p.b, n, n_count),
                  columns_of(rows_of(p.c, m, m_count), n, n_count), p.add,
                  p.bias ? p.bias + n : nullptr},
                 scratch.row(worker));
    };
    const index_t tasks = products * m_blocks * n_blocks;
    if (products * rows * columns * k < 100'000)  // not worth waking a thread
      for (index_t i = 0; i < tasks; ++i) block(i, 0);
    else
      parallel_for(ctx, tasks, block);
  }

  template <class T>
  static matrix<T> rows_of(matrix<T> m, index_t first, index_t count) {
    m.data += first * m.row_stride;
    m.rows = count;
    return m;
  }
  template <class T>
  static matrix<T> columns_of(matrix<T> m, index_t first, index_t count) {
    return rows_of(m.transposed(), first, count).transposed();
  }

  template <class Ctx, class T>
  static void multiply(Ctx& ctx, const product<T>& p, T* scratch) {
    if constexpr (std::is_same_v<T, double>) {
      if (!p.add)
        for (index_t r = 0; r < p.c.rows; ++r)
          for (index_t j = 0; j < p.c.columns; ++j)
            p.c.data[r * p.c.row_stride + j] = p.bias ? p.bias[j] : 0;
      cpu_eigen::multiply_add<T>(p.a, p.b, p.c);
    } else {
      simd::dispatch<T>(ctx.device().instructions(), [&](auto instructions) {
        using kernels = simd::gemm_kernels<decltype(instructions)>;
        T* const edge = scratch + round_up(p.c.columns, kernels::columns) * k_block;
        index_t i = 0;
        do {  // once even when k is 0, to write the start values
          const index_t k = std::min(k_block, p.a.columns - i);
          const auto b = rows_of(p.b, i, k);
          kernels::pack(b, scratch);
          kernels::multiply(columns_of(p.a, i, k), scratch, p.c, p.add || i > 0, p.bias, edge);
          i += k;
        } while (i < p.a.columns);
      });
    }
  }
};

}  // namespace dsr1
