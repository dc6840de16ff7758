// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Matrix products on a CUDA device: tiles in registers over tiles in shared memory.
#pragma once

#include <cmath>
#include <type_traits>

#include <dsr1/backend/linear_ops.hpp>
#include <dsr1/cuda/groups.cuh>
#include <dsr1/cuda/launch.cuh>
#include <dsr1/cuda/mixed_products.cuh>
#include <dsr1/cuda/warp.cuh>

namespace dsr1 {

namespace cuda_kernels {

/// Every element of a product is the sum, in ascending order, of the sums over this many
/// consecutive k, each a chain of fused multiply-adds from zero. All kernels keep to it, so neither
/// tile sizes nor the rows of a call change a bit, and short sums can run side by side.
inline constexpr index_t product_chunk = 64;

/// c[m, n] (+)= a[m, k] b[k, n] + bias[n]
template <class T>
struct product {
  matrix<const T> a, b;
  T* c;
  index_t c_stride;
  const T* bias;
};

/// Which product a block works on, and the tile of rows and of columns there.
template <class T>
struct block_product {
  product<T> p;
  index_t row_tile, column_tile;
};

template <class T>
struct one_product {
  product<T> p;
  __device__ block_product<T> at(index_t block, int, int columns) const {
    const index_t across = ceil_div(p.b.columns, index_t{columns});
    return {p, block / across, block % across};
  }
};

/// Groups of rows of a and c, each with a matrix of b.
template <class T>
struct products_by_rows {
  view<const T, 2> a;
  view<const T, 3> b;
  bool transpose;
  view<T, 2> c;
  view<const T, 2> bias;
  device_groups groups;
  __device__ block_product<T> at(index_t block, int, int columns) const {
    const index_t across = ceil_div(c.columns(), index_t{columns});
    const group_tile tile = groups.tile(block / across);
    matrix<const T> w = b[tile.group];
    if (transpose) w = w.transposed();
    return {{a.slice_rows(tile.begin, tile.end - tile.begin), w, c.row(tile.begin), c.stride,
             bias.data ? bias.row(tile.group) : nullptr},
            tile.number,
            block % across};
  }
};

/// Groups of rows of a and b, each summed into a matrix of c.
template <class T>
struct products_by_sums {
  view<const T, 2> a, b;
  view<T, 3> c;
  device_groups groups;
  __device__ block_product<T> at(index_t block, int rows, int columns) const {
    const index_t across = ceil_div(b.columns(), index_t{columns});
    const index_t tiles = ceil_div(a.columns(), index_t{rows}) * across, g = block / tiles;
    const index_t begin = groups.begin(g), count = groups.end(g) - begin;
    const matrix<const T> left = a.slice_rows(begin, count);
    return {{left.transposed(), b.slice_rows(begin, count), c.row(g), c.extents[2], nullptr},
            block % tiles / across,
            block % across};
  }
};

/// Sizes of a tile of c: a thread has thread_rows x thread_columns of its elements.
template <int Rows, int Columns, int ThreadRows, int ThreadColumns>
struct product_tile {
  static constexpr int rows = Rows, columns = Columns;
  static constexpr int thread_rows = ThreadRows, thread_columns = ThreadColumns;
  static constexpr int across = Columns / ThreadColumns;
  static constexpr int threads = Rows / ThreadRows * across;
  static constexpr int depth = 16;  ///< k of a step
  static_assert(threads % warp_size == 0 && product_chunk % depth == 0);
  static_assert(Rows * depth % threads == 0 && Columns * depth % threads == 0);
};

/// The i-th of the `Each` lines of a thread among `Lines`: in runs of at most four, so that the
/// threads of a warp together read shared memory without gaps.
template <int Lines, int Each>
__device__ constexpr int line_of(int thread, int i) {
  constexpr int run = Each < 4 ? Each : 4;
  return i / run * (Lines / (Each / run)) + thread * run + i % run;
}

/// Reads [Lines, depth] of an operand whose lines lie `stride` apart and whose k `k_stride` apart;
/// zeros beyond its edges. Neighbouring threads read neighbouring memory.
template <class Tile, int Lines, class T>
__device__ void load_tile(const T* data, index_t stride, index_t k_stride, index_t lines, index_t k,
                          T (&out)[Lines * Tile::depth / Tile::threads]) {
#pragma unroll
  for (int i = 0; i < Lines * Tile::depth / Tile::threads; ++i) {
    const int e = static_cast<int>(threadIdx.x) + i * Tile::threads;
    const int line = k_stride == 1 ? e / Tile::depth : e % Lines;
    const int step = k_stride == 1 ? e % Tile::depth : e / Lines;
    out[i] = line < lines && step < k ? data[line * stride + step * k_stride] : T(0);
  }
}
template <class Tile, int Lines, int Width, class T>
__device__ void keep_tile(const T (&in)[Lines * Tile::depth / Tile::threads], bool k_first,
                          T (&to)[Tile::depth][Width]) {
#pragma unroll
  for (int i = 0; i < Lines * Tile::depth / Tile::threads; ++i) {
    const int e = static_cast<int>(threadIdx.x) + i * Tile::threads;
    if (k_first)
      to[e % Tile::depth][e / Tile::depth] = in[i];
    else
      to[e / Lines][e % Lines] = in[i];
  }
}

/// While a step is multiplied from one half of shared memory, the next is on its way to registers.
template <class T, class Tile, class Products>
__global__ void __launch_bounds__(Tile::threads) multiply(Products products, bool add) {
  constexpr int M = Tile::rows, N = Tile::columns, K = Tile::depth;
  constexpr int TM = Tile::thread_rows, TN = Tile::thread_columns;
  constexpr int pad = 16 / sizeof(T);  // keeps runs of four aligned and spreads columns over banks
  alignas(16) __shared__ T a_tile[2][K][M + pad];
  alignas(16) __shared__ T b_tile[2][K][N + pad];

  const block_product<T> at = products.at(blockIdx.x, M, N);
  const product<T>& p = at.p;
  const index_t row = at.row_tile * M, column = at.column_tile * N, k = p.a.columns;
  const index_t rows = p.a.rows - row, columns = p.b.columns - column;
  const int down = static_cast<int>(threadIdx.x) / Tile::across;
  const int across = static_cast<int>(threadIdx.x) % Tile::across;
  const T* const a = p.a.data + row * p.a.row_stride;
  const T* const b = p.b.data + column * p.b.column_stride;
  const bool a_k_first = p.a.column_stride == 1, b_k_first = p.b.row_stride == 1;

  T total[TM][TN] = {}, sum[TM][TN] = {};
  T a_next[M * K / Tile::threads], b_next[N * K / Tile::threads];
  const auto load = [&](index_t first) {
    load_tile<Tile, M>(a + first * p.a.column_stride, p.a.row_stride, p.a.column_stride, rows,
                       k - first, a_next);
    load_tile<Tile, N>(b + first * p.b.row_stride, p.b.column_stride, p.b.row_stride, columns,
                       k - first, b_next);
  };
  if (k > 0) load(0);
  int half = 0;
  for (index_t first = 0; first < k; first += K, half ^= 1) {
    keep_tile<Tile, M>(a_next, a_k_first, a_tile[half]);
    keep_tile<Tile, N>(b_next, b_k_first, b_tile[half]);
    __syncthreads();
    if (first + K < k) load(first + K);
#pragma unroll
    for (int i = 0; i < K; ++i) {
      T x[TM], y[TN];
#pragma unroll
      for (int r = 0; r < TM; ++r) x[r] = a_tile[half][i][line_of<M, TM>(down, r)];
#pragma unroll
      for (int c = 0; c < TN; ++c) y[c] = b_tile[half][i][line_of<N, TN>(across, c)];
#pragma unroll
      for (int r = 0; r < TM; ++r)
#pragma unroll
        for (int c = 0; c < TN; ++c) sum[r][c] = std::fma(x[r], y[c], sum[r][c]);
    }
    if ((first + K) % product_chunk == 0 || first + K >= k)
#pragma unroll
      for (int r = 0; r < TM; ++r)
#pragma unroll
        for (int c = 0; c < TN; ++c) {
          total[r][c] += sum[r][c];
          sum[r][c] = 0;
        }
  }

#pragma unroll
  for (int r = 0; r < TM; ++r)
#pragma unroll
    for (int c = 0; c < TN; ++c) {
      const int i = line_of<M, TM>(down, r), j = line_of<N, TN>(across, c);
      if (i >= rows || j >= columns) continue;
      T* const to = p.c + (row + i) * p.c_stride + column + j;
      const T start = add ? *to : p.bias ? p.bias[column + j] : T(0);
      *to = start + total[r][c];
    }
}

template <class T>
__global__ void add_row(view<const T, 1> x, view<T, 2> y) {
  const index_t i = thread_number();
  if (i < y.size()) y(i / y.columns(), i % y.columns()) += x[i % y.columns()];
}

/// Rows whose sum a block makes, whatever the device, and the block's shape.
inline constexpr int sum_rows = 128, sum_columns = 32, sum_down = 8;

/// parts[i] = the sum of the i-th run of up to sum_rows rows, which belongs to one group.
template <class T>
__global__ void column_sum_parts(view<const T, 2> x, device_groups groups, view<T, 2> parts) {
  __shared__ T sums[sum_down][sum_columns];
  const index_t across = ceil_div(x.columns(), index_t{sum_columns}), part = blockIdx.x / across;
  const group_tile tile = groups.tile(part);
  const index_t begin = tile.begin + tile.number * sum_rows;
  const index_t end = begin + sum_rows < tile.end ? begin + sum_rows : tile.end;
  const int down = warp_number(), lane = lane_number();
  const index_t column = blockIdx.x % across * sum_columns + lane;
  T sum = 0;
  if (column < x.columns())
    for (index_t r = begin + down; r < end; r += sum_down) sum += x(r, column);
  sums[down][lane] = sum;
  __syncthreads();
  if (down > 0 || column >= x.columns()) return;
  for (int i = 1; i < sum_down; ++i) sum += sums[i][lane];
  parts(part, column) = sum;
}

template <class T>
__global__ void column_sum_join(view<const T, 2> parts, device_groups groups, view<T, 2> y,
                                bool add) {
  const index_t i = thread_number();
  if (i >= y.size()) return;
  const index_t g = i / y.columns(), column = i % y.columns();
  T sum = 0;
  for (index_t part = groups.first_tile(g); part < groups.first_tile(g + 1); ++part)
    sum += parts(part, column);
  T& to = y(g, column);
  to = add ? to + sum : sum;
}

}  // namespace cuda_kernels

/// The group `linear_ops` of the backend contract (see backend/linear_ops.hpp). Nothing waits for
/// the device. One launch for all groups.
struct cuda_linear {
  template <class Ctx, class T>
  static void matmul(Ctx& ctx, matrix<const T> a, matrix<const T> b, view<T, 2> c,
                     accumulate add = accumulate::no, view<const T, 1> bias = {}) {
    expect_matmul(a, b, c, bias);
    if (c.empty()) return;
    if (product_library* library = ctx.device().products();
        library != nullptr && a.columns > 0 &&
        library->multiply(a, b, c, add == accumulate::yes, ctx.workspace(),
                          ctx.device().stream())) {
      ctx.device().launched("matmul");
      if (bias.data) launch_each(ctx, "matmul", c.size(), cuda_kernels::add_row<T>, bias, c);
      return;
    }
    const cuda_kernels::one_product<T> one = {{a, b, c.data, c.stride, bias.data}};
    with_tile<T>(ctx, c.rows(), c.columns(), 1, [&](auto tile) {
      run<T>(ctx, "matmul", tile, ceil_div(c.rows(), index_t{tile.rows}), c.columns(), one,
             add == accumulate::yes);
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
    const index_t outer = c.columns();
    if (c.empty()) return;
    index_t active = 0;
    for (index_t g = 0; g < groups.count(); ++g) active += groups.length(g) > 0;
    with_tile<T>(ctx, ceil_div(c.rows(), active), outer, active, [&](auto tile) {
      const workspace::scope scope(ctx.workspace());
      const device_groups there = on_device(ctx, groups, tile.rows);
      const cuda_kernels::products_by_rows<T> all = {a, b, transpose_b, c, bias, there};
      run<T>(ctx, "m_grouped_matmul", tile, there.tiles, outer, all, false);
    });
  }

  /// c[g] (+)= a[rows of group g]^T b[rows of group g].
  template <class Ctx, class T>
  static void k_grouped_matmul(Ctx& ctx, view<const T, 2> a, view<const T, 2> b,
                               const row_groups& groups, view<T, 3> c, accumulate add) {
    expect_k_grouped_matmul(a, b, groups, c);
    if (c.empty()) return;
    with_tile<T>(ctx, a.columns(), b.columns(), groups.count(), [&](auto tile) {
      const workspace::scope scope(ctx.workspace());
      const cuda_kernels::products_by_sums<T> all = {a, b, c, on_device(ctx, groups, 1)};
      run<T>(ctx, "k_grouped_matmul", tile,
             groups.count() * ceil_div(a.columns(), index_t{tile.rows}), b.columns(), all,
             add == accumulate::yes);
    });
  }

  /// y[g] (+)= the sum of the rows of group g of x.
  template <class Ctx, class T>
  static void grouped_column_sum(Ctx& ctx, view<const T, 2> x, const row_groups& groups,
                                 view<T, 2> y, accumulate add) {
    expect_grouped_column_sum(x, groups, y);
    using namespace cuda_kernels;
    if (y.empty()) return;
    const workspace::scope scope(ctx.workspace());
    const device_groups there = on_device(ctx, groups, sum_rows);
    const auto parts = ctx.template take<T>(there.tiles, x.columns());
    launch(ctx, "grouped_column_sum", there.tiles * ceil_div(x.columns(), index_t{sum_columns}),
           sum_down * warp_size, column_sum_parts<T>, x, there, parts);
    launch_each(ctx, "grouped_column_sum", y.size(), column_sum_join<T>, parts, there, y,
                add == accumulate::yes);
  }

 private:
  template <class T, class Tile, class Ctx, class Products>
  static void run(Ctx& ctx, std::string_view operation, Tile, index_t row_tiles, index_t columns,
                  const Products& products, bool add) {
    launch(ctx, operation, row_tiles * ceil_div(columns, index_t{Tile::columns}), Tile::threads,
           kernel_of<T, Products>(Tile()), products, add);
  }

  template <class T, class Products, int... Sizes>
  static auto kernel_of(cuda_kernels::product_tile<Sizes...>) {
    return cuda_kernels::multiply<T, cuda_kernels::product_tile<Sizes...>, Products>;
  }
  template <class, class Products, int... Sizes>
  static auto kernel_of(cuda_kernels::mixed_tile<Sizes...>) {
    return cuda_kernels::multiply_mixed<cuda_kernels::mixed_tile<Sizes...>, Products>;
  }

  /// Calls f with a tile for `count` products of that size: as large as leaves enough blocks.
  template <class T, class Ctx, class F>
  static void with_tile(Ctx& ctx, index_t rows, index_t columns, index_t count, F&& f) {
    using cuda_kernels::mixed_tile, cuda_kernels::product_tile;
    constexpr index_t enough = 96;  // blocks: the larger devices have some 100 multiprocessors
    if constexpr (std::is_same_v<T, float>)
      if (ctx.device().rounds_products()) {
        if (rows <= 16) return f(mixed_tile<16, 64, 16, 16>());
        if (count * ceil_div(rows, index_t{128}) * ceil_div(columns, index_t{128}) >= enough)
          return f(mixed_tile<128, 128, 64, 32>());
        return f(mixed_tile<64, 64, 32, 32>());
      }
    if (rows <= 16) return f(product_tile<16, 64, 2, 4>());
    if constexpr (std::is_same_v<T, float>)
      if (count * ceil_div(rows, index_t{128}) * ceil_div(columns, index_t{64}) >= enough)
        return f(product_tile<128, 64, 8, 4>());
    f(product_tile<64, 64, 4, 4>());
  }
};

}  // namespace dsr1
