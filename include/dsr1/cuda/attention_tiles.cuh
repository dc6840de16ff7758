// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// How attention is cut into tiles on a CUDA device, and the two products of a tile.
#pragma once

#include <cmath>
#include <vector>

#include <dsr1/backend/attention_ops.hpp>
#include <dsr1/cuda/launch.cuh>
#include <dsr1/cuda/warp.cuh>

namespace dsr1 {

namespace cuda_kernels {

// A tile is 32 rows by 32 columns of scores. A row is a query of one head, or a key; warp w has the
// rows w, w + 4, ..., so that the few rows of a decoding step are shared out to all warps, and a
// lane has one column. Every sum is a chain of fma in one order: no bit depends on what else is in
// the tile.
inline constexpr int tile_rows = 32;
inline constexpr int tile_warps = 4;
inline constexpr int tile_threads = tile_warps * warp_size;
inline constexpr int warp_rows = tile_rows / tile_warps;
static_assert(tile_rows == warp_size && attention_block == tile_rows);

/// Blocks of threads that have to fit on a multiprocessor, which bounds the registers of a thread:
/// loads and products of one block do not overlap, so that several have to be there.
template <class T, int Columns>
inline constexpr int tile_blocks = sizeof(T) == 4 ? (Columns > 4 ? 2 : 3) : 1;

/// Columns of operands that are in shared memory at a time: 512 bytes of a row.
template <class T>
inline constexpr int tile_chunk = static_cast<int>(512 / sizeof(T));

/// What a thread reads of shared memory at once.
template <class T>
struct alignas(16) pack {
  static constexpr int size = static_cast<int>(16 / sizeof(T));
  T v[size];
};

/// The shared memory of a block of threads. Rows are an odd number of packs apart, so that 32 lanes
/// that read packs of 32 rows meet all banks.
template <class T>
struct tile_memory {
  static constexpr int stride = tile_chunk<T> + pack<T>::size;
  alignas(16) T rows[tile_rows * stride];
  alignas(16) T columns[tile_rows * stride];
  alignas(16) T weights[tile_rows * tile_rows];
};

__device__ inline int row_of_warp(int i) { return warp_number() + tile_warps * i; }

/// One sequence of a call, with the numbers of rows, tiles of queries and blocks of keys up to its
/// end.
struct attention_run {
  sequence s;
  index_t rows, tiles, blocks;
};

/// The run that has the n-th row, tile or block.
__device__ inline attention_run run_of(const view<const attention_run, 1>& runs,
                                       index_t attention_run::*end, index_t n) {
  index_t low = 0, high = runs.rows() - 1;
  while (low < high) {
    const index_t middle = (low + high) / 2;
    if (runs[middle].*end > n)
      high = middle;
    else
      low = middle + 1;
  }
  return runs[low];
}

/// Up to 32 queries of one group of heads: all heads of a token, then those of the next token.
struct query_tile {
  index_t token;    ///< of the sequence, the first one
  int head, group;  ///< the first head, within the group
  int rows;

  __device__ query_tile(const sequence& s, index_t number, index_t heads_of_group)
      : token(number * tile_rows / heads_of_group),
        head(static_cast<int>(number * tile_rows % heads_of_group)),
        group(static_cast<int>(heads_of_group)),
        rows(static_cast<int>(smaller(tile_rows, s.length * heads_of_group - number * tile_rows))) {
  }
  __device__ int token_of(int r) const { return (head + r) / group; }  ///< from `token` on
  __device__ int head_of(int r) const { return (head + r) % group; }

  __device__ static index_t smaller(index_t a, index_t b) { return a < b ? a : b; }
};

/// Which of the keys at `first`, `first` + 1, ... a query sees.
struct key_span {
  index_t low, high;  ///< from `first` on; may lie outside the block
  __device__ key_span(index_t position, index_t window, index_t oldest, index_t first)
      : low(oldest - first), high(position + 1 - first) {
    if (window > 0 && high - window > low) low = high - window;
  }
  __device__ bool holds(int key) const { return key >= low && key < high; }
  __device__ bool any() const { return low < tile_rows && high > 0; }
};

/// Loads columns [first, first + count) of 32 rows; row(r) is a pointer, or null for zeros.
template <class T, class Row>
__device__ void load_tile(T* to, Row&& row, index_t first, int count) {
  constexpr int parts = tile_chunk<T> / warp_size;
#pragma unroll 4
  for (int i = 0; i < warp_rows; ++i) {
    const int r = row_of_warp(i);
    const T* const from = row(r);
    T part[parts];
#pragma unroll
    for (int n = 0; n < parts; ++n) {
      const int c = lane_number() + n * warp_size;
      part[n] = from != nullptr && c < count ? from[first + c] : T(0);
    }
#pragma unroll
    for (int n = 0; n < parts; ++n)
      if (n * warp_size < count)
        to[r * tile_memory<T>::stride + lane_number() + n * warp_size] = part[n];
  }
}

template <int Rows, class T>
__device__ void add_dots(T (&s)[warp_rows], const tile_memory<T>& m, int count) {
  constexpr int stride = tile_memory<T>::stride;
#pragma unroll 2
  for (int c = 0; c < count; c += pack<T>::size) {
    const pack<T> b = *reinterpret_cast<const pack<T>*>(m.columns + lane_number() * stride + c);
#pragma unroll
    for (int i = 0; i < Rows; ++i) {
      const pack<T> a = *reinterpret_cast<const pack<T>*>(m.rows + row_of_warp(i) * stride + c);
#pragma unroll
      for (int e = 0; e < pack<T>::size; ++e) s[i] = std::fma(a.v[e], b.v[e], s[i]);
    }
  }
}

/// s[i] = the dot of row row_of_warp(i) and column lane_number(), of `size` elements each; `few`:
/// only the first two rows of every warp exist; `kept`: the rows are in m.rows already.
template <class T, class Row, class Column>
__device__ void scores_of(T (&s)[warp_rows], tile_memory<T>& m, Row&& row, Column&& column,
                          index_t size, bool few, bool kept) {
#pragma unroll
  for (int i = 0; i < warp_rows; ++i) s[i] = 0;
  for (index_t first = 0; first < size; first += tile_chunk<T>) {
    const int count = static_cast<int>(query_tile::smaller(tile_chunk<T>, size - first));
    __syncthreads();  // what was there has been read
    if (!kept) load_tile(m.rows, row, first, count);
    load_tile(m.columns, column, first, count);
    __syncthreads();
    if (few)
      add_dots<2>(s, m, count);
    else
      add_dots<warp_rows>(s, m, count);
  }
}

template <int Rows, int Width, int At, int Columns, class T>
__device__ void add_rows(T (&sum)[warp_rows][Columns], const tile_memory<T>& m, int low, int high) {
  constexpr int stride = tile_memory<T>::stride;
#pragma unroll 1
  for (int j = low / pack<T>::size * pack<T>::size; j < high; j += pack<T>::size) {
    pack<T> w[Rows];
#pragma unroll
    for (int i = 0; i < Rows; ++i)
      w[i] = *reinterpret_cast<const pack<T>*>(m.weights + row_of_warp(i) * tile_rows + j);
#pragma unroll
    for (int e = 0; e < pack<T>::size; ++e)
#pragma unroll
      for (int c = 0; c < Width; ++c) {
        const T x = m.columns[(j + e) * stride + lane_number() + c * warp_size];
#pragma unroll
        for (int i = 0; i < Rows; ++i) sum[i][At + c] = std::fma(w[i].v[e], x, sum[i][At + c]);
      }
  }
}

/// sum[i][c] += sum over j of the weight of (row_of_warp(i), j) times column
/// first + lane_number() + 32 c of x(j), where lane j gives the weights of its column; they are
/// zero below `low` and from `high` on. `kept`: all columns of x are in m.columns already.
template <int At = 0, class T, int Columns, class X>
__device__ void accumulate_rows(T (&sum)[warp_rows][Columns], tile_memory<T>& m,
                                const T (&weight)[warp_rows], X&& x, index_t first, index_t size,
                                bool few, bool kept, int low, int high) {
  constexpr int parts = tile_chunk<T> / warp_size;
  constexpr int width = Columns - At < parts ? Columns - At : parts;
  if constexpr (At == 0) {
#pragma unroll
    for (int i = 0; i < warp_rows; ++i)
      m.weights[row_of_warp(i) * tile_rows + lane_number()] = weight[i];
    __syncwarp();  // a warp reads the weights of its own rows only
  }
  const index_t begin = first + At * warp_size;
  if (begin < size) {
    if (!kept) {
      __syncthreads();
      load_tile(m.columns, x, begin,
                static_cast<int>(query_tile::smaller(width * warp_size, size - begin)));
      __syncthreads();
    }
    if (few)
      add_rows<2, width, At>(sum, m, low, high);
    else
      add_rows<warp_rows, width, At>(sum, m, low, high);
  }
  if constexpr (At + width < Columns)
    accumulate_rows<At + width>(sum, m, weight, x, first, size, few, kept, low, high);
}

}  // namespace cuda_kernels

/// The runs of a call on the device. Their tiles are those of `group` heads.
template <class Ctx>
view<const cuda_kernels::attention_run, 1> runs_on_device(Ctx& ctx,
                                                          const sequence_layout& sequences,
                                                          index_t group,
                                                          cuda_kernels::attention_run& last) {
  std::vector<cuda_kernels::attention_run> runs(static_cast<std::size_t>(sequences.count()));
  last = {};
  for (index_t i = 0; i < sequences.count(); ++i) {
    const sequence s = sequences[i];
    last.s = s;
    last.rows += s.length;
    last.tiles += ceil_div(s.length * group, index_t{cuda_kernels::tile_rows});
    if (s.length > 0)
      last.blocks +=
          ceil_div(s.position + s.length, attention_block) - s.position / attention_block;
    runs[static_cast<std::size_t>(i)] = last;
  }
  return on_device(ctx, std::span<const cuda_kernels::attention_run>(runs));
}

/// f(number of columns of a lane), for tensors whose heads have `size` columns; more columns than
/// 32 times it are shared out to several blocks of threads, each of which makes the scores.
template <class F>
void with_lane_columns(index_t size, F&& f) {
  if (size <= 32)
    f(std::integral_constant<int, 1>());
  else if (size <= 64)
    f(std::integral_constant<int, 2>());
  else if (size <= 128)
    f(std::integral_constant<int, 4>());
  else
    f(std::integral_constant<int, 8>());
}

}  // namespace dsr1
