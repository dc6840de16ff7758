// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Products with coded weights on the CPU: decoded in registers or in the nearest cache.
#pragma once

#include <algorithm>

#include <dsr1/backend/quant_ops.hpp>
#include <dsr1/cpu/coded_kernels.hpp>
#include <dsr1/cpu/coded_row_finder.hpp>
#include <dsr1/cpu/device.hpp>
#include <dsr1/cpu/int8_products.hpp>
#include <dsr1/tensor/workspace.hpp>

namespace dsr1 {

/// The group `quant_ops` of the backend contract (see backend/quant_ops.hpp).
/// A block of the rows of a matrix belongs to one thread and no sum is split, so neither the number
/// of threads nor the number of tokens changes a bit of a row. Groups without rows cost nothing.
/// In `double` a plain loop over decoded rows, to which the other kernels are held.
struct cpu_quant {
  template <class Ctx, class T>
  static void coded_matmul(Ctx& ctx, view<const T, 2> x, const row_groups& groups,
                           const coded_tensor& w, view<T, 2> y, view<const T, 2> bias = {}) {
    expect_coded_matmul(x, groups, w, y, bias);
    const workspace::scope scope(ctx.workspace());
    const auto active = ctx.template take<index_t>(groups.count());
    index_t count = 0;
    for (index_t g = 0; g < groups.count(); ++g)
      if (groups.length(g) > 0) active[count++] = g;
    if (count == 0 || w.rows == 0) return;
    if (ctx.device().rounds_activations() && simd::in_whole_numbers(w.type) &&
        w.columns % 32 == 0) {
      const view<const index_t, 1> with_rows(active.data, count);
      return with_codec(w.type, [&](auto codec) {
        constexpr coding type = decltype(codec)::type;
        if constexpr (simd::in_whole_numbers(type))
          int8_products::run<type>(ctx, x, groups, with_rows, w, y, bias);
      });
    }

    const bool pairs = simd::in_pairs(w.type);
    const index_t padded = round_up(w.columns, 32);
    view<const T, 2> arranged = x;
    if constexpr (std::is_same_v<T, float>)
      if (pairs || padded != w.columns) arranged = arrange(ctx, x, pairs, padded);

    const int workers = ctx.device().pool().size();
    const auto scratch = ctx.template take<T>(workers, 4 * padded);
    const index_t block = coded_task_rows(w, count * w.rows, workers, 8);
    const index_t blocks = ceil_div(w.rows, block);
    const auto task = [&](index_t i, int worker) {
      const index_t g = active[i / blocks], first = i % blocks * block;
      product<T> p{arranged.slice_rows(groups.begin(g), groups.length(g)),
                   y.slice_rows(groups.begin(g), groups.length(g)),
                   bias.data ? bias.row(g) : nullptr, padded, scratch.row(worker)};
      run_block(ctx, w, g, first, std::min(block, w.rows - first), p);
    };
    if (groups.rows() * w.rows * w.columns < 100'000)  // not worth waking a thread
      for (index_t i = 0; i < count * blocks; ++i) task(i, 0);
    else
      parallel_for(ctx, count * blocks, task);
  }

  template <class Ctx, class T>
  static void coded_rows(Ctx& ctx, const coded_tensor& w, view<const std::int32_t, 1> rows,
                         view<T, 2> y) {
    expect_coded_rows(w, rows, y);
    for (index_t i = 0; i < rows.rows(); ++i) expect_coded_row(w, rows[i]);
    const coded_row_finder find(w, 0);
    parallel_for(ctx, ceil_div(rows.rows(), 16), [&](index_t task, int) {
      for (index_t i = task * 16; i < std::min(task * 16 + 16, rows.rows()); ++i)
        with_kernels<T>(ctx, w.type, [&]<class Kernels, coding Type>() {
          Kernels::template decode_row<Type>(find(rows[i]), w.columns, true, y.row(i));
        });
    });
  }

 private:
  /// The tokens of one group and where their results go.
  template <class T>
  struct product {
    view<const T, 2> x;
    view<T, 2> y;
    const T* bias;
    index_t padded;
    T* scratch;  // four decoded rows
  };

  /// f.operator()<Kernels, Type>()
  template <class T, class Ctx, class F>
  static void with_kernels(Ctx& ctx, coding type, F&& f) {
    simd::dispatch<T>(ctx.device().instructions(), [&](auto instructions) {
      with_codec(type, [&](auto codec) {
        f.template operator()<simd::coded_kernels<decltype(instructions)>, decltype(codec)::type>();
      });
    });
  }

  template <class Ctx, class T>
  static view<const T, 2> arrange(Ctx& ctx, view<const T, 2> x, bool pairs, index_t padded) {
    const auto to = ctx.template take<T>(x.rows(), padded);
    simd::dispatch<T>(ctx.device().instructions(), [&](auto instructions) {
      using kernels = simd::coded_kernels<decltype(instructions)>;
      parallel_rows(ctx, x.rows(), padded, [&](index_t first, index_t count) {
        for (index_t t = first; t < first + count; ++t)
          kernels::arrange(x.row(t), x.columns(), pairs, to.row(t));
      });
    });
    return to;
  }

  /// y[:, first .. first + count) of one group.
  template <class Ctx, class T>
  static void run_block(Ctx& ctx, const coded_tensor& w, index_t g, index_t first, index_t count,
                        const product<T>& p) {
    const coded_row_finder find(w, g);
    if constexpr (std::is_same_v<T, float>) {
      with_kernels<T>(ctx, w.type, [&]<class Kernels, coding Type>() {
        run_rows<Kernels, Type>(find, first, count, w.columns, p);
      });
    } else {
      static_cast<void>(ctx);
      for (index_t r = first; r < first + count; ++r) {
        with_codec(w.type, [&](auto c) { c.decode(find(r), w.columns, p.scratch); });
        for (index_t t = 0; t < p.x.rows(); ++t) {
          T sum = 0;
          for (index_t k = 0; k < w.columns; ++k) sum += p.scratch[k] * p.x(t, k);
          p.y(t, r) = p.bias ? sum + p.bias[r] : sum;
        }
      }
    }
  }

  template <class Kernels, coding Type>
  static void run_rows(const coded_row_finder& find, index_t first, index_t count, index_t columns,
                       const product<float>& p) {
    // As many tokens at a time as stay in the second cache while all rows pass by.
    const index_t tokens =
        std::max<index_t>(Kernels::tokens, 131'072 / std::max<index_t>(p.padded, 1));
    for (index_t t = 0; t < p.x.rows(); t += tokens) {
      const index_t some = std::min(tokens, p.x.rows() - t);
      for (index_t r = first; r < first + count; r += 4) {
        const float* const bias = p.bias ? p.bias + r : nullptr;
        const simd::coded_rows_run run = find.run(r, first + count - r);
        if (some <= Kernels::lanes::most_direct(Type)) {
          Kernels::template multiply_direct<Type>(run, columns, p.x.slice_rows(t, some), bias,
                                                  p.y.row(t) + r, p.y.stride);
          r += 4 * (run.fours - 1);
          continue;
        }
        const int n = run.count;
        for (int i = 0; i < 4; ++i)
          Kernels::template decode_row<Type>(run.row[i], columns, false, p.scratch + i * p.padded,
                                             run.code_step);
        Kernels::multiply(p.scratch, p.padded, p.x.slice_rows(t, some), bias,
                          p.y.slice_rows(t, some).slice_columns(r, n), n);
      }
    }
  }
};

}  // namespace dsr1
