// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Products with coded weights on a CUDA device: decoded in registers, codes read once.
#pragma once

#include <cmath>
#include <limits>

#include <dsr1/backend/quant_ops.hpp>
#include <dsr1/cuda/coded.cuh>
#include <dsr1/cuda/groups.cuh>
#include <dsr1/cuda/warp.cuh>

namespace dsr1 {

namespace cuda_kernels {

/// A warp makes Rows columns of y for up to Tokens rows of x at a time.
template <int Rows, int Tokens, int Warps>
struct coded_tile {
  static constexpr int rows = Rows, tokens = Tokens, warps = Warps;
  static constexpr int threads = Warps * warp_size;
};

/// The sums of Count numbers over the lanes, Count a power of two: sum i in the lanes from
/// i * 32 / Count on. The same bits as `warp_reduce` with a fraction of the exchanges.
template <int Count, class T>
__device__ T warp_sums(T (&value)[Count]) {
  static_assert(Count <= warp_size && (Count & (Count - 1)) == 0);
#pragma unroll
  for (int distance = warp_size / 2, count = Count; distance > 0; distance /= 2) {
    if (count == 1) {
      value[0] += __shfl_xor_sync(all_lanes, value[0], distance);
      continue;
    }
    count /= 2;
    const bool upper = lane_number() & distance;
#pragma unroll
    for (int i = 0; i < Count / 2; ++i)
      if (i < count) {
        const T keep = upper ? value[i + count] : value[i];
        const T give = upper ? value[i] : value[i + count];
        value[i] = keep + __shfl_xor_sync(all_lanes, give, distance);
      }
  }
  return value[0];
}

/// A lane sums the runs of columns that are its own: a chain over the run, times its scale, added
/// to the lane's sum; then the lanes are added. No other order occurs, whatever the tile, so a
/// token has the same bits alone and in every batch.
template <class T, coding Type, class Tile>
__global__ void __launch_bounds__(Tile::threads)
    coded_matmul(view<const T, 2> x, device_groups groups, device_coded w, view<T, 2> y,
                 view<const T, 2> bias) {
  using run = coded_run<Type>;
  constexpr int R = Tile::rows, N = Tile::tokens, quads = run::columns / 4;
  constexpr int step = warp_size * run::columns;
  struct alignas(4 * sizeof(T)) quad {
    T value[4];
  };
  // Lanes lie side by side, so that they read without conflicts; the gap is for the writers.
  __shared__ quad x_tile[N][quads][warp_size + 2];

  const index_t across = ceil_div(w.rows, index_t{R * Tile::warps});
  const group_tile at = groups.tile(blockIdx.x / across);
  const index_t first_token = at.begin + at.number * N;
  const index_t first_row = (blockIdx.x % across * Tile::warps + warp_number()) * R;
  const int lane = lane_number();

  coded_row rows[R] = {};
  bool whole = w.row_bytes % run::bytes == 0;
#pragma unroll
  for (int r = 0; r < R; ++r)
    if (first_row + r < w.rows) {
      rows[r] = w.row(at.group, first_row + r);
      whole = whole && run::aligned(rows[r]);
    }
  run next[R] = {};
  const auto load = [&](index_t column) {
#pragma unroll
    for (int r = 0; r < R; ++r)
      if (first_row + r < w.rows) next[r] = run::load(rows[r], column, w.row_bytes, whole);
  };
  load(lane * run::columns);

  T sums[N * R] = {};
  for (index_t first = 0; first < w.columns; first += step) {
    __syncthreads();
    // What is beyond the last run or the last token is not read, or counts for no token.
    const index_t left = round_up(w.columns - first, run::columns);
    const int width = static_cast<int>(left < step ? left : step);
    for (int t = 0; t < N && first_token + t < at.end; ++t)
      for (int c = static_cast<int>(threadIdx.x); c < width; c += Tile::threads)
        x_tile[t][c % run::columns / 4][c / run::columns].value[c % 4] =
            first + c < w.columns ? x(first_token + t, first + c) : T(0);
    __syncthreads();
    run now[R];
#pragma unroll
    for (int r = 0; r < R; ++r) now[r] = next[r];
    const index_t column = first + lane * run::columns;
    load(column + step);
    if (first_row >= w.rows || column >= w.columns) continue;

    T chain[R][N] = {};
#pragma unroll
    for (int q = 0; q < quads; ++q) {
      float value[R][4];
#pragma unroll
      for (int r = 0; r < R; ++r) now[r].values(q, value[r]);
#pragma unroll
      for (int t = 0; t < N; ++t) {
        const quad some = x_tile[t][q][lane];
#pragma unroll
        for (int i = 0; i < 4; ++i)
#pragma unroll
          for (int r = 0; r < R; ++r)
            chain[r][t] = std::fma(static_cast<T>(value[r][i]), some.value[i], chain[r][t]);
      }
    }
#pragma unroll
    for (int r = 0; r < R; ++r)
#pragma unroll
      for (int t = 0; t < N; ++t)
        sums[t * R + r] = std::fma(chain[r][t], static_cast<T>(now[r].factor()), sums[t * R + r]);
  }

  if (first_row >= w.rows) return;
  const T sum = warp_sums(sums);
  constexpr int lanes = warp_size / (R * N);
  const index_t token = first_token + lane / lanes / R, row = first_row + lane / lanes % R;
  if (lane % lanes == 0 && token < at.end && row < w.rows)
    y(token, row) = bias.data ? sum + bias(at.group, row) : sum;
}

/// A warp decodes a row. `wrong` becomes the first of the rows that are not there.
template <class T, coding Type>
__global__ void coded_rows(device_coded w, view<const std::int32_t, 1> rows, view<T, 2> y,
                           int* wrong) {
  using run = coded_run<Type>;
  const index_t i = thread_number() / warp_size;
  if (i >= rows.rows()) return;
  if (rows[i] < 0 || rows[i] >= w.rows) {
    if (lane_number() == 0) atomicMin(wrong, static_cast<int>(i));
    return;
  }
  const coded_row row = w.row(0, rows[i]);
  const bool whole = w.row_bytes % run::bytes == 0 && run::aligned(row);
  for (index_t column = lane_number() * run::columns; column < w.columns;
       column += warp_size * run::columns) {
    const run now = run::load(row, column, w.row_bytes, whole);
#pragma unroll
    for (int q = 0; q < run::columns / 4; ++q) {
      float value[4];
      now.values(q, value);
#pragma unroll
      for (int c = 0; c < 4; ++c)
        if (column + 4 * q + c < w.columns)
          y(i, column + 4 * q + c) = static_cast<T>(value[c]) * static_cast<T>(now.factor());
    }
  }
}

}  // namespace cuda_kernels

/// The group `quant_ops` of the backend contract (see backend/quant_ops.hpp). The coded tensors
/// have to be what `resident` returns. `coded_rows` waits for the device: it must know whether all
/// rows are there.
struct cuda_quant {
  template <class Ctx, class T>
  static void coded_matmul(Ctx& ctx, view<const T, 2> x, const row_groups& groups,
                           const coded_tensor& w, view<T, 2> y, view<const T, 2> bias = {}) {
    expect_coded_matmul(x, groups, w, y, bias);
    if (y.empty()) return;
    const device_coded there(w, ctx.device().number());
    const workspace::scope scope(ctx.workspace());
    const auto run = [&](auto type, auto tile) {
      using tile_type = decltype(tile);
      const device_groups tiles = on_device(ctx, groups, tile_type::tokens);
      launch(ctx, "coded_matmul",
             tiles.tiles * ceil_div(w.rows, index_t{tile_type::rows * tile_type::warps}),
             tile_type::threads, cuda_kernels::coded_matmul<T, decltype(type)::value, tile_type>, x,
             tiles, there, y, bias);
    };
    with_coding(w.type, [&](auto type) {
      if (groups.longest() == 1)  // many blocks of few rows: all that counts is reading the codes
        run(type, cuda_kernels::coded_tile<2, 1, 4>());
      else
        run(type, cuda_kernels::coded_tile<4, 8, 8>());
    });
  }

  template <class Ctx, class T>
  static void coded_rows(Ctx& ctx, const coded_tensor& w, view<const std::int32_t, 1> rows,
                         view<T, 2> y) {
    expect_coded_rows(w, rows, y);
    if (rows.rows() == 0) return;
    const device_coded there(w, ctx.device().number());
    const workspace::scope scope(ctx.workspace());
    int first_wrong = std::numeric_limits<int>::max();
    const auto wrong = on_device(ctx, std::span<const int>(&first_wrong, 1));
    with_coding(w.type, [&](auto type) {
      launch_each(ctx, "coded_rows", rows.rows() * warp_size,
                  cuda_kernels::coded_rows<T, decltype(type)::value>, there, rows, y,
                  const_cast<int*>(wrong.data));
    });
    receive(ctx, wrong.data, first_wrong);
    if (first_wrong == std::numeric_limits<int>::max()) return;
    std::int32_t row = 0;
    receive(ctx, rows.row(first_wrong), row);
    expect_coded_row(w, row);
  }

 private:
  template <class Ctx, class T>
  static void receive(Ctx& ctx, const T* from, T& to) {
    check(cudaMemcpyAsync(&to, from, sizeof(T), cudaMemcpyDeviceToHost, ctx.device().stream()),
          "cudaMemcpyAsync");
    ctx.device().wait("coded_rows");
  }
};

}  // namespace dsr1
