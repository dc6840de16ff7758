// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Moving rows by index on a CUDA device.
#pragma once

#include <cstdint>

#include <dsr1/backend/row_ops.hpp>
#include <dsr1/cuda/counting_sort.cuh>
#include <dsr1/cuda/launch.cuh>
#include <dsr1/cuda/warp.cuh>

namespace dsr1 {

namespace cuda_kernels {

/// As many elements as one instruction moves. Threads own the same elements whether the rows are
/// aligned or not, so that sums have one order.
template <class T>
struct alignas(16) row_piece {
  static constexpr int width = 16 / static_cast<int>(sizeof(T));
  T v[width];

  /// Of `left` elements from p on, zeros behind them.
  template <bool Aligned>
  __device__ static row_piece load(const T* p, index_t left) {
    row_piece x = {};
    if (Aligned && left >= width) {
      x = *reinterpret_cast<const row_piece*>(p);
    } else {
#pragma unroll
      for (int i = 0; i < width; ++i)
        if (i < left) x.v[i] = p[i];
    }
    return x;
  }
  template <bool Aligned>
  __device__ void store(T* p, index_t left) const {
    if (Aligned && left >= width) {
      *reinterpret_cast<row_piece*>(p) = *this;
    } else {
#pragma unroll
      for (int i = 0; i < width; ++i)
        if (i < left) p[i] = v[i];
    }
  }
};

/// The columns of one row that one block moves: each thread some pieces, a block's width apart.
inline constexpr int row_threads = 128;
inline constexpr int row_pieces = 4;
template <class T>
inline constexpr index_t row_tile = index_t{row_threads} * row_pieces * row_piece<T>::width;

/// The row and the first column of this thread.
template <class T>
struct row_place {
  index_t row, column;
  __device__ explicit row_place(index_t columns) {
    const index_t tiles = (columns + row_tile<T> - 1) / row_tile<T>;
    row = blockIdx.x / tiles;
    column = blockIdx.x % tiles * row_tile<T> + threadIdx.x * index_t{row_piece<T>::width};
  }
  static constexpr index_t step = index_t{row_threads} * row_piece<T>::width;
};

template <class T, bool Aligned>
__global__ void gather_rows(view<const T, 2> x, view<const std::int32_t, 1> rows, view<T, 2> y) {
  using piece = row_piece<T>;
  const row_place<T> at(y.columns());
  const index_t from = rows[at.row];
  piece kept[row_pieces] = {};
#pragma unroll
  for (int i = 0; i < row_pieces; ++i) {
    const index_t c = at.column + i * at.step;
    if (from >= 0 && c < y.columns())
      kept[i] = piece::template load<Aligned>(x.row(from) + c, y.columns() - c);
  }
#pragma unroll
  for (int i = 0; i < row_pieces; ++i) {
    const index_t c = at.column + i * at.step;
    if (c < y.columns()) kept[i].template store<Aligned>(y.row(at.row) + c, y.columns() - c);
  }
}

/// No weights count as ones.
template <class T, bool Aligned>
__global__ void combine_rows(view<const T, 2> x, view<const std::int32_t, 2> slots,
                             view<const T, 2> weights, view<T, 2> y) {
  using piece = row_piece<T>;
  const row_place<T> at(y.columns());
  piece sum[row_pieces] = {};
  for (index_t j = 0; j < slots.columns(); ++j) {
    const index_t from = slots(at.row, j);
    if (from < 0) continue;
    const T w = weights.data ? weights(at.row, j) : T(1);
    piece kept[row_pieces] = {};
#pragma unroll
    for (int i = 0; i < row_pieces; ++i) {
      const index_t c = at.column + i * at.step;
      if (c < y.columns())
        kept[i] = piece::template load<Aligned>(x.row(from) + c, y.columns() - c);
    }
#pragma unroll
    for (int i = 0; i < row_pieces; ++i)
#pragma unroll
      for (int e = 0; e < piece::width; ++e) sum[i].v[e] += w * kept[i].v[e];
  }
#pragma unroll
  for (int i = 0; i < row_pieces; ++i) {
    const index_t c = at.column + i * at.step;
    if (c < y.columns()) sum[i].template store<Aligned>(y.row(at.row) + c, y.columns() - c);
  }
}

/// One block a choice: the choices of a token find its gradient in the cache.
template <class T, bool Aligned>
__global__ void combine_rows_backward(view<const T, 2> dy, view<const T, 2> x,
                                      view<const std::int32_t, 2> slots, view<const T, 2> weights,
                                      view<T, 2> dx, view<T, 2> dweights) {
  using piece = row_piece<T>;
  const index_t t = blockIdx.x / slots.columns(), j = blockIdx.x % slots.columns();
  const index_t row = slots(t, j);
  T dot = 0;
  if (row >= 0) {
    const T w = weights(t, j);
#pragma unroll 4
    for (index_t c = threadIdx.x * index_t{piece::width}; c < x.columns();
         c += row_place<T>::step) {
      const index_t left = x.columns() - c;
      const piece d = piece::template load<Aligned>(dy.row(t) + c, left),
                  v = piece::template load<Aligned>(x.row(row) + c, left);
      piece out;
#pragma unroll
      for (int e = 0; e < piece::width; ++e) {
        dot += d.v[e] * v.v[e];
        out.v[e] = w * d.v[e];
      }
      out.template store<Aligned>(dx.row(row) + c, left);
    }
    dot = block_reduce<row_threads>(dot);
  }
  if (threadIdx.x == 0) dweights(t, j) = dot;
}

/// Sources of one target are neighbours after sorting by this; others may lie between them.
struct hashed_target_of {
  view<const std::int32_t, 1> rows;
  __device__ index_t operator()(index_t i) const {
    return rows[i] < 0 ? -1 : rows[i] % hashed_keys;
  }
};

/// Rows that are read before the first of them is added.
inline constexpr int rows_ahead = 8;

/// One warp a sorted source and a piece of columns for each lane. Only the first source of a target
/// adds, and then all of them: the rows of one target are added in order, by one thread a column.
template <class T, bool Aligned>
__global__ void scatter_add_rows(view<const T, 2> y, view<const std::int32_t, 1> rows,
                                 sorted_rows sorted, view<T, 2> x) {
  using piece = row_piece<T>;
  const index_t tiles = (x.columns() + warp_size * piece::width - 1) / (warp_size * piece::width);
  const index_t source = thread_number() / warp_size / tiles;
  if (source >= sorted.rows()) return;  // all lanes of the warp
  const int lane = lane_number();
  const std::int32_t target = rows[sorted.order[source]];
  const index_t key = target % hashed_keys;
  for (index_t first = sorted.begin(key); first < source; first += warp_size) {
    const index_t i = first + lane;
    if (__any_sync(all_lanes, i < source && rows[sorted.order[i]] == target)) return;
  }
  const index_t c = (thread_number() / warp_size % tiles * warp_size + lane) * piece::width;
  const index_t left = x.columns() - c;
  piece sum = piece::template load<Aligned>(x.row(target) + c, left);
  for (index_t first = source; first < sorted.end(key); first += warp_size) {
    const index_t i = first + lane;
    const std::int32_t from = i < sorted.end(key) ? sorted.order[i] : -1;
    unsigned found = __ballot_sync(all_lanes, from >= 0 && rows[from] == target);
    while (found != 0) {
      piece ahead[rows_ahead];
      bool any[rows_ahead];
#pragma unroll
      for (int n = 0; n < rows_ahead; ++n) {
        any[n] = found != 0;
        if (!any[n]) continue;
        const std::int32_t row = __shfl_sync(all_lanes, from, __ffs(found) - 1);
        found &= found - 1;
        ahead[n] = piece::template load<Aligned>(y.row(row) + c, left);
      }
#pragma unroll
      for (int n = 0; n < rows_ahead; ++n)
        if (any[n])
#pragma unroll
          for (int e = 0; e < piece::width; ++e) sum.v[e] += ahead[n].v[e];
    }
  }
  sum.template store<Aligned>(x.row(target) + c, left);
}

}  // namespace cuda_kernels

/// The group `row_ops` of the backend contract.
struct cuda_rows {
  using ids = view<const std::int32_t, 1>;
  using slot_table = view<const std::int32_t, 2>;

  template <class Ctx, class T>
  static void gather_rows(Ctx& ctx, view<const T, 2> x, ids rows, view<T, 2> y) {
    expect_gather_rows(x, rows, y);
    launch(ctx, "gather_rows", tiles(y), cuda_kernels::row_threads,
           aligned(x, y) ? cuda_kernels::gather_rows<T, true> : cuda_kernels::gather_rows<T, false>,
           x, rows, y);
  }

  /// Sorts the sources by target in the workspace.
  template <class Ctx, class T>
  static void scatter_add_rows(Ctx& ctx, view<const T, 2> y, ids rows, view<T, 2> x) {
    expect_scatter_add_rows(y, rows, x);
    const workspace::scope scope(ctx.workspace());
    const auto sorted = sort_rows(ctx, "scatter_add_rows", rows.rows(),
                                  cuda_kernels::hashed_target_of{rows}, hashed_keys);
    const index_t pieces = ceil_div(x.columns(), index_t{cuda_kernels::row_piece<T>::width});
    launch_each(ctx, "scatter_add_rows", rows.rows() * round_up(pieces, warp_size),
                aligned(y, x) ? cuda_kernels::scatter_add_rows<T, true>
                              : cuda_kernels::scatter_add_rows<T, false>,
                y, rows, sorted, x);
  }

  template <class Ctx, class T>
  static void combine_rows(Ctx& ctx, view<const T, 2> x, slot_table slots, view<const T, 2> weights,
                           view<T, 2> y) {
    expect_combine_rows(x, slots, weights, y);
    launch(
        ctx, "combine_rows", tiles(y), cuda_kernels::row_threads,
        aligned(x, y) ? cuda_kernels::combine_rows<T, true> : cuda_kernels::combine_rows<T, false>,
        x, slots, weights, y);
  }

  template <class Ctx, class T>
  static void combine_rows_backward(Ctx& ctx, view<const T, 2> dy, view<const T, 2> x,
                                    slot_table slots, view<const T, 2> weights, view<T, 2> dx,
                                    view<T, 2> dweights) {
    expect_combine_rows_backward(dy, x, slots, weights, dx, dweights);
    launch(ctx, "combine_rows_backward", slots.size(), cuda_kernels::row_threads,
           aligned(dy, x, dx) ? cuda_kernels::combine_rows_backward<T, true>
                              : cuda_kernels::combine_rows_backward<T, false>,
           dy, x, slots, weights, dx, dweights);
  }

 private:
  /// Blocks that together move every column of every row.
  template <class T>
  static index_t tiles(const view<T, 2>& y) {
    return y.rows() * ceil_div(y.columns(), cuda_kernels::row_tile<T>);
  }

  /// Whether pieces of all rows can be moved whole.
  template <class... V>
  static bool aligned(const V&... v) {
    return ((reinterpret_cast<std::uintptr_t>(v.data) % 16 == 0 &&
             v.stride * static_cast<index_t>(sizeof(*v.data)) % 16 == 0) &&
            ...);
  }
};

}  // namespace dsr1
