// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Matrix products of floats on tensor cores: operands rounded to bfloat16, sums in float.
#pragma once

#include <cstdint>

#include <dsr1/cuda/launch.cuh>
#include <dsr1/cuda/mma.cuh>

namespace dsr1::cuda_kernels {

/// Sizes of a tile of c, of which a warp makes warp_rows x warp_columns.
template <int Rows, int Columns, int WarpRows, int WarpColumns>
struct mixed_tile {
  static constexpr int rows = Rows, columns = Columns;
  static constexpr int warp_rows = WarpRows, warp_columns = WarpColumns;
  static constexpr int across = Columns / WarpColumns;
  static constexpr int threads = Rows / WarpRows * across * warp_size;
  static_assert(Rows % WarpRows == 0 && Columns % WarpColumns == 0);
  static_assert(WarpRows % 16 == 0 && WarpColumns % 8 == 0);
};

/// k of a step: four octets of a line, two calls of `mma`.
inline constexpr int mixed_depth = 32, octets_of_line = mixed_depth / 8;

/// Eight consecutive k of a line of an operand (a row of a, a column of b), rounded.
struct alignas(16) octet {
  unsigned pair[4];
};
/// Where an octet lies in shared memory: eight threads with consecutive lines, or with the octets
/// of two lines, touch all banks once.
__device__ inline int octet_place(int line, int number) {
  return line * octets_of_line + (number ^ line / 2 % octets_of_line);
}

/// An operand from the first line of a tile on. k_stride 1 and all lines on 16 bytes: `aligned`.
struct mixed_operand {
  const float* data;
  index_t stride, k_stride, lines, k;
  bool aligned;

  __device__ mixed_operand(const float* first, index_t line_stride, index_t stride_of_k,
                           index_t line_count, index_t length)
      : data(first),
        stride(line_stride),
        k_stride(stride_of_k),
        lines(line_count),
        k(length),
        aligned(stride_of_k == 1 && line_stride % 4 == 0 &&
                reinterpret_cast<std::uintptr_t>(first) % 16 == 0) {}
};

/// The octets of a thread in a step of `Lines` lines; neighbouring threads read neighbouring
/// memory.
template <int Lines, int Threads>
struct octets_in_flight {
  static constexpr int all = Lines * octets_of_line, each = (all + Threads - 1) / Threads;
  float value[each][8];

  /// Begins to read; zeros beyond the edges.
  __device__ void load(const mixed_operand& from, index_t first) {
    struct alignas(16) quad {
      float value[4];
    };
#pragma unroll
    for (int i = 0; i < each; ++i) {
      const int line = line_of(from, i);
      const index_t k = first + octet_of(from, i) * 8;
      const bool some = number(i) < all && line < from.lines && k < from.k;
      const int left = !some ? 0 : from.k - k < 8 ? static_cast<int>(from.k - k) : 8;
      const float* const at = from.data + line * from.stride + k * from.k_stride;
      if (from.aligned && left == 8) {
#pragma unroll
        for (int q = 0; q < 2; ++q) {
          const quad four = reinterpret_cast<const quad*>(at)[q];
#pragma unroll
          for (int j = 0; j < 4; ++j) value[i][4 * q + j] = four.value[j];
        }
      } else {
#pragma unroll
        for (int j = 0; j < 8; ++j) value[i][j] = j < left ? at[j * from.k_stride] : 0.0f;
      }
    }
  }
  /// Rounds them into shared memory.
  __device__ void keep(const mixed_operand& from, octet (&to)[all]) const {
#pragma unroll
    for (int i = 0; i < each; ++i) {
      if (number(i) >= all) break;
      octet o;
#pragma unroll
      for (int j = 0; j < 4; ++j) o.pair[j] = bf16_pair(value[i][2 * j], value[i][2 * j + 1]);
      to[octet_place(line_of(from, i), octet_of(from, i))] = o;  // one store
    }
  }

 private:
  __device__ static int number(int i) { return static_cast<int>(threadIdx.x) + i * Threads; }
  __device__ static int line_of(const mixed_operand& from, int i) {
    return from.k_stride == 1 ? number(i) / octets_of_line : number(i) % Lines;
  }
  __device__ static int octet_of(const mixed_operand& from, int i) {
    return from.k_stride == 1 ? number(i) % octets_of_line : number(i) / Lines;
  }
};

/// c (+)= a b + bias for `products` as `multiply` takes them (see linear_ops.cuh), with bfloat16 of
/// a and b. Every element is a chain of `mma`s over k, two for each 32: the first has those of each
/// octet's lower half, the second the others. All tiles keep to it, so neither the tile nor the
/// other rows of a call change a bit.
template <class Tile, class Products>
__global__ void __launch_bounds__(Tile::threads) multiply_mixed(Products products, bool add) {
  constexpr int M = Tile::rows, N = Tile::columns;
  constexpr int TM = Tile::warp_rows / 16, TN = Tile::warp_columns / 8;
  using a_octets = octets_in_flight<M, Tile::threads>;
  using b_octets = octets_in_flight<N, Tile::threads>;
  __shared__ octet a_tile[2][a_octets::all];
  __shared__ octet b_tile[2][b_octets::all];

  const auto at = products.at(blockIdx.x, M, N);
  const auto& p = at.p;
  const index_t row = at.row_tile * M, column = at.column_tile * N, k = p.a.columns;
  const index_t rows = p.a.rows - row, columns = p.b.columns - column;
  const mixed_operand a(p.a.data + row * p.a.row_stride, p.a.row_stride, p.a.column_stride, rows,
                        k);
  const mixed_operand b(p.b.data + column * p.b.column_stride, p.b.column_stride, p.b.row_stride,
                        columns, k);
  const int g = lane_number() / 4, t = lane_number() % 4;
  const int first_row = warp_number() / Tile::across * Tile::warp_rows + g;
  const int first_column = warp_number() % Tile::across * Tile::warp_columns;

  float sum[TM][TN][4] = {};
  a_octets a_next;
  b_octets b_next;
  if (k > 0) {
    a_next.load(a, 0);
    b_next.load(b, 0);
  }
  int half = 0;
  for (index_t first = 0; first < k; first += mixed_depth, half ^= 1) {
    a_next.keep(a, a_tile[half]);
    b_next.keep(b, b_tile[half]);
    __syncthreads();
    if (first + mixed_depth < k) {
      a_next.load(a, first + mixed_depth);
      b_next.load(b, first + mixed_depth);
    }
    octet right[TN];
#pragma unroll
    for (int j = 0; j < TN; ++j) right[j] = b_tile[half][octet_place(first_column + 8 * j + g, t)];
#pragma unroll
    for (int i = 0; i < TM; ++i) {
      const octet upper = a_tile[half][octet_place(first_row + 16 * i, t)];
      const octet lower = a_tile[half][octet_place(first_row + 16 * i + 8, t)];
#pragma unroll
      for (int s = 0; s < 4; s += 2)
#pragma unroll
        for (int j = 0; j < TN; ++j)
          mma(mma_left{{upper.pair[s], lower.pair[s], upper.pair[s + 1], lower.pair[s + 1]}},
              mma_right{{right[j].pair[s], right[j].pair[s + 1]}}, sum[i][j]);
    }
  }

#pragma unroll
  for (int i = 0; i < TM; ++i)
#pragma unroll
    for (int j = 0; j < TN; ++j)
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int r = first_row + 16 * i + e / 2 * 8, c = first_column + 8 * j + 2 * t + e % 2;
        if (r >= rows || c >= columns) continue;
        float* const to = p.c + (row + r) * p.c_stride + column + c;
        const float start = add ? *to : p.bias ? p.bias[column + c] : 0.0f;
        *to = start + sum[i][j][e];
      }
}

}  // namespace dsr1::cuda_kernels
