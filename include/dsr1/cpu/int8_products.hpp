// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Products of coded weights with tokens that are rounded to 8 bits.
#pragma once

#include <algorithm>

#include <dsr1/cpu/coded_row_finder.hpp>
#include <dsr1/cpu/device.hpp>
#include <dsr1/cpu/int8_kernels.hpp>
#include <dsr1/cpu/tensor_ops.hpp>
#include <dsr1/tensor/groups.hpp>
#include <dsr1/tensor/workspace.hpp>

namespace dsr1::int8_products {

/// Tokens of one group and where their results go.
template <class T>
struct product {
  simd::int8_tokens<T> x;
  view<T, 2> y;
  const T* bias;
  std::uint8_t* tile;  ///< of the thread, decoded rows
  T* scales;
};

template <coding Type, class Ctx, class T>
simd::int8_tokens<T> rounded(Ctx& ctx, view<const T, 2> x) {
  const auto to = ctx.template take<simd::int8_block<T>>(x.rows(), x.columns() / 32);
  simd::dispatch_int8<T>(ctx.device().instructions(), [&](auto instructions) {
    using kernels = simd::int8_kernels<decltype(instructions)>;
    parallel_rows(ctx, x.rows(), x.columns(), [&](index_t first, index_t count) {
      for (index_t t = first; t < first + count; ++t)
        kernels::template round<Type>(x.row(t), x.columns(), to.row(t));
    });
  });
  return to;
}

/// y[:, first .. first + count) of one group.
template <class Kernels, coding Type, class T>
void run_rows(const coded_row_finder& find, index_t first, index_t count, const product<T>& p) {
  const index_t blocks = p.x.columns();
  // As many tokens at a time as stay in the second cache while all rows pass by.
  const index_t most = std::max<index_t>(8, 8192 / std::max<index_t>(blocks, 1));
  for (index_t t = 0; t < p.y.rows(); t += most) {
    const simd::int8_tokens<T> x = p.x.slice_rows(t, std::min(most, p.y.rows() - t));
    for (index_t r = first; r < first + count; r += Kernels::rows) {
      const int kept = static_cast<int>(std::min<index_t>(Kernels::rows, first + count - r));
      coded_row w[Kernels::rows];
      for (int i = 0; i < Kernels::rows; ++i) w[i] = find(r + std::min(i, kept - 1));
      const auto codes = reinterpret_cast<std::uintptr_t>(w[0].codes);
      const T* const bias = p.bias ? p.bias + r : nullptr;
      T* const y = p.y.row(t) + r;
      if (x.rows() <= Kernels::most_direct) {
        Kernels::template few<Type>(w, x, bias, y, p.y.stride, kept, codes + 8192);
      } else {
        // While these are multiplied, memory brings the next rows.
        const auto next =
            codes + static_cast<std::uintptr_t>(Kernels::rows * info_of(Type).bits * 4 * blocks);
        Kernels::template decode<Type>(w, blocks, p.tile, p.scales, next);
        Kernels::template multiply<Type>(p.tile, p.scales, x, bias, y, p.y.stride, kept);
      }
    }
  }
}

/// `coded_matmul` of backend/quant_ops.hpp; `active` are the groups that have rows.
template <coding Type, class Ctx, class T>
void run(Ctx& ctx, view<const T, 2> x, const row_groups& groups, view<const index_t, 1> active,
         const coded_tensor& w, view<T, 2> y, view<const T, 2> bias) {
  constexpr index_t rows = 16;  // of a tile, at most
  const simd::int8_tokens<T> tokens = rounded<Type>(ctx, x);
  const int workers = ctx.device().pool().size();
  const auto tiles = ctx.template take<std::uint8_t>(workers, rows * w.columns);
  const auto scales = ctx.template take<T>(workers, rows * tokens.columns());
  const index_t block = coded_task_rows(w, active.rows() * w.rows, workers, rows);
  const index_t blocks = ceil_div(w.rows, block);
  const auto task = [&](index_t i, int worker) {
    const index_t g = active[i / blocks], first = i % blocks * block;
    const product<T> p{tokens.slice_rows(groups.begin(g), groups.length(g)),
                       y.slice_rows(groups.begin(g), groups.length(g)),
                       bias.data ? bias.row(g) : nullptr, tiles.row(worker), scales.row(worker)};
    simd::dispatch_int8<T>(ctx.device().instructions(), [&](auto instructions) {
      run_rows<simd::int8_kernels<decltype(instructions)>, Type>(
          coded_row_finder(w, g), first, std::min(block, w.rows - first), p);
    });
  };
  if (groups.rows() * w.rows * w.columns < 100'000)
    for (index_t i = 0; i < active.rows() * blocks; ++i) task(i, 0);
  else
    parallel_for(ctx, active.rows() * blocks, task);
}

}  // namespace dsr1::int8_products
