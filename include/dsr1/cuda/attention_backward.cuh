// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The backward pass of attention on a CUDA device: probabilities come again from the logarithms.
#pragma once

#include <dsr1/cuda/attention_tiles.cuh>

namespace dsr1 {

namespace cuda_kernels {

template <class T>
struct attention_gradients {
  attention_extents e;
  view<const T, 2> q, k, v;
  view<const T, 1> sinks;
  view<const T, 2> y, lse, dy;
  view<T, 2> dq, dk, dv;
  view<T, 1> dsinks;
  view<const attention_run, 1> runs;
  index_t tiles = 0, blocks = 0;
  view<T, 2> projection;  ///< <dy, y> of every head

  __device__ index_t group() const { return e.heads / e.kv_heads; }
};

template <class T>
__global__ void attention_projection(attention_gradients<T> c) {
  const index_t n = static_cast<index_t>(blockIdx.x) * tile_warps + warp_number();
  const index_t t = n / c.e.heads, h = n % c.e.heads, size = c.e.value_size();
  const bool mine = t < c.y.rows();
  T sum = 0;
  for (index_t i = lane_number(); mine && i < size; i += warp_size)
    sum += c.dy(t, h * size + i) * c.y(t, h * size + i);
  sum = warp_reduce(sum);
  if (mine && lane_number() == 0) c.projection(t, h) = sum;
}

/// One block of threads per head, so that the order of the sum is one.
template <class T>
__global__ void attention_sinks(attention_gradients<T> c, bool add) {
  const index_t h = blockIdx.x;
  T sum = 0;
  for (index_t t = threadIdx.x; t < c.lse.rows(); t += cuda_block)
    sum -= std::exp(c.sinks[h] - c.lse(t, h)) * c.projection(t, h);
  sum = block_reduce<cuda_block>(sum);
  if (threadIdx.x == 0) c.dsinks[h] = (add ? c.dsinks[h] : T(0)) + sum;
}

/// The gradient of 32 Columns columns of the queries of a tile.
template <class T, int Columns>
__global__ __launch_bounds__(tile_threads, tile_blocks<T, Columns>) void attention_query_gradient(
    attention_gradients<T> c) {
  __shared__ tile_memory<T> m;
  const index_t group = c.group(), d = c.e.head_dim, size = c.e.value_size();
  const index_t sections = ceil_div(d, index_t{warp_size} * Columns);
  index_t n = blockIdx.x;
  const index_t section = n % sections * warp_size * Columns;
  n /= sections;
  const index_t g = n % c.e.kv_heads;
  const index_t number = c.tiles - 1 - n / c.e.kv_heads;  // those with most keys begin first
  const attention_run run = run_of(c.runs, &attention_run::tiles, number);
  const sequence& s = run.s;
  const index_t own_tiles = ceil_div(s.length * group, index_t{tile_rows});
  const query_tile tile(s, number - (run.tiles - own_tiles), group);
  const bool few = tile.rows <= 2 * tile_warps;
  const T scale = static_cast<T>(c.e.scale);
  const index_t begin = s.position + tile.token, row = s.begin + tile.token;
  const index_t end = begin + tile.token_of(tile.rows - 1) + 1;

  const auto head = [&](int r) { return g * group + tile.head_of(r); };
  const auto query = [&](int r) {
    return r < tile.rows ? c.q.row(row + tile.token_of(r)) + head(r) * d : nullptr;
  };
  const auto dout = [&](int r) {
    return r < tile.rows ? c.dy.row(row + tile.token_of(r)) + head(r) * size : nullptr;
  };
  T sum[warp_rows][Columns], lse[warp_rows], projection[warp_rows];
#pragma unroll
  for (int i = 0; i < warp_rows; ++i) {
    const int r = row_of_warp(i);
    lse[i] = r < tile.rows ? c.lse(row + tile.token_of(r), head(r)) : T(0);
    projection[i] = r < tile.rows ? c.projection(row + tile.token_of(r), head(r)) : T(0);
#pragma unroll
    for (int k = 0; k < Columns; ++k) sum[i][k] = 0;
  }
  index_t oldest = s.position;
  if (c.e.window > 0 && begin - c.e.window + 1 > oldest) oldest = begin - c.e.window + 1;
  for (index_t first = oldest / attention_block * attention_block; first < end;
       first += attention_block) {
    const index_t at = s.begin + first - s.position;
    const int low = static_cast<int>(first < oldest ? oldest - first : 0);
    const int high = static_cast<int>(query_tile::smaller(tile_rows, end - first));
    const auto there = [&](int j) { return j >= low && j < high; };
    const auto key = [&](int j) { return there(j) ? c.k.row(at + j) + g * d : nullptr; };
    const auto value = [&](int j) { return there(j) ? c.v.row(at + j) + g * size : nullptr; };
    T dp[warp_rows], p[warp_rows];
    scores_of(dp, m, dout, value, size, few, false);
    scores_of(p, m, query, key, d, few, false);
#pragma unroll
    for (int i = 0; i < warp_rows; ++i) {
      const int r = row_of_warp(i);
      const key_span span(begin + tile.token_of(r), c.e.window, s.position, first);
      if (r < tile.rows && span.holds(lane_number()))
        p[i] = std::exp(p[i] * scale - lse[i]) * scale * (dp[i] - projection[i]);
      else
        p[i] = 0;
    }
    accumulate_rows(sum, m, p, key, section, d, few, d <= tile_chunk<T>, low, high);
  }
#pragma unroll
  for (int i = 0; i < warp_rows; ++i) {
    const int r = row_of_warp(i);
    if (r >= tile.rows) continue;
    T* const out = c.dq.row(row + tile.token_of(r)) + head(r) * d;
#pragma unroll
    for (int k = 0; k < Columns; ++k)
      if (const index_t column = section + lane_number() + k * warp_size; column < d)
        out[column] = sum[i][k];
  }
}

/// The gradient of 32 Columns columns of a block of keys, or of their values: rows of a tile are
/// keys here, and its columns queries.
template <class T, int Columns, bool Values>
__global__ __launch_bounds__(tile_threads, tile_blocks<T, Columns>) void attention_key_gradient(
    attention_gradients<T> c) {
  __shared__ tile_memory<T> m;
  const index_t group = c.group(), d = c.e.head_dim, size = c.e.value_size();
  const index_t width = Values ? size : d;
  const index_t sections = ceil_div(width, index_t{warp_size} * Columns);
  index_t n = blockIdx.x;
  const index_t section = n % sections * warp_size * Columns;
  n /= sections;
  const index_t g = n % c.e.kv_heads;
  n /= c.e.kv_heads;
  const attention_run run = run_of(c.runs, &attention_run::blocks, n);
  const sequence& s = run.s;
  const index_t end = s.position + s.length, first_block = s.position / attention_block;
  const index_t own_blocks = ceil_div(end, attention_block) - first_block;
  const index_t first = (first_block + n - (run.blocks - own_blocks)) * attention_block;
  const T scale = static_cast<T>(c.e.scale);

  const index_t at = s.begin + first - s.position;
  const auto there = [&](int j) { return first + j >= s.position && first + j < end; };
  const auto key = [&](int j) { return there(j) ? c.k.row(at + j) + g * d : nullptr; };
  const auto value = [&](int j) { return there(j) ? c.v.row(at + j) + g * size : nullptr; };
  T sum[warp_rows][Columns];
#pragma unroll
  for (int i = 0; i < warp_rows; ++i)
#pragma unroll
    for (int k = 0; k < Columns; ++k) sum[i][k] = 0;

  index_t from = first - s.position, to = s.length;  // tokens that see any of the keys
  if (from < 0) from = 0;
  if (c.e.window > 0)
    to = query_tile::smaller(to, first + attention_block - 1 + c.e.window - s.position);
  bool kept = false;
  for (index_t number = from * group / tile_rows; number * tile_rows < to * group; ++number) {
    const query_tile tile(s, number, group);
    const index_t row = s.begin + tile.token;
    const auto head = [&](int r) { return g * group + tile.head_of(r); };
    const auto query = [&](int r) {
      return r < tile.rows ? c.q.row(row + tile.token_of(r)) + head(r) * d : nullptr;
    };
    const auto dout = [&](int r) {
      return r < tile.rows ? c.dy.row(row + tile.token_of(r)) + head(r) * size : nullptr;
    };
    T dp[warp_rows], p[warp_rows];
    if constexpr (!Values) scores_of(dp, m, value, dout, size, false, false);
    scores_of(p, m, key, query, d, false, kept);
    kept = Values && d <= tile_chunk<T>;
    const int lane = lane_number();
    const bool mine = lane < tile.rows;
    const index_t t = row + (mine ? tile.token_of(lane) : 0);
    const T lse = mine ? c.lse(t, head(lane)) : T(0);
    const key_span span(s.position + t - s.begin, c.e.window, s.position, first);
    T projection = 0;
    if constexpr (!Values) projection = mine ? c.projection(t, head(lane)) : T(0);
#pragma unroll
    for (int i = 0; i < warp_rows; ++i) {
      const bool seen = mine && span.holds(row_of_warp(i));
      p[i] = seen ? std::exp(p[i] * scale - lse) : T(0);
      if constexpr (!Values) p[i] = seen ? p[i] * scale * (dp[i] - projection) : T(0);
    }
    if constexpr (Values)
      accumulate_rows(sum, m, p, dout, section, size, false, false, 0, tile.rows);
    else
      accumulate_rows(sum, m, p, query, section, d, false, d <= tile_chunk<T>, 0, tile.rows);
  }
#pragma unroll
  for (int i = 0; i < warp_rows; ++i) {
    const int j = row_of_warp(i);
    if (!there(j)) continue;
    T* const out = (Values ? c.dv : c.dk).row(at + j) + g * width;
#pragma unroll
    for (int k = 0; k < Columns; ++k)
      if (const index_t column = section + lane_number() + k * warp_size; column < width)
        out[column] = sum[i][k];
  }
}

}  // namespace cuda_kernels

/// Every sum belongs to one block of threads and has one order: no atomics, and the same bits in
/// every run.
template <class Ctx, class T>
void attention_gradient(Ctx& ctx, const attention_extents& e, view<const T, 2> q,
                        const key_values<T>& kv, view<const T, 1> sinks,
                        const sequence_layout& sequences, view<const T, 2> y, view<const T, 2> lse,
                        view<const T, 2> dy, view<T, 2> dq, view<T, 2> dk, view<T, 2> dv,
                        view<T, 1> dsinks, accumulate add) {
  using namespace cuda_kernels;
  constexpr std::string_view name = "attention_backward";
  const workspace::scope scope(ctx.workspace());
  attention_run last;
  const auto runs = runs_on_device(ctx, sequences, e.heads / e.kv_heads, last);
  const auto projection = ctx.template take<T>(q.rows(), e.heads);
  const attention_gradients<T> call{e,    q,          kv.keys,     kv.values, sinks, y,
                                    lse,  dy,         dq,          dk,        dv,    dsinks,
                                    runs, last.tiles, last.blocks, projection};
  const auto blocks = [&](index_t tiles, index_t size, int columns) {
    return tiles * e.kv_heads * ceil_div(size, index_t{warp_size} * columns);
  };
  launch(ctx, name, ceil_div(q.rows() * e.heads, index_t{tile_warps}), tile_threads,
         attention_projection<T>, call);
  if (sinks.data != nullptr)
    launch(ctx, name, e.heads, cuda_block, attention_sinks<T>, call, add == accumulate::yes);
  with_lane_columns(e.head_dim, [&](auto columns) {
    launch(ctx, name, blocks(last.tiles, e.head_dim, columns()), tile_threads,
           attention_query_gradient<T, columns()>, call);
    launch(ctx, name, blocks(last.blocks, e.head_dim, columns()), tile_threads,
           attention_key_gradient<T, columns(), false>, call);
  });
  with_lane_columns(e.value_size(), [&](auto columns) {
    launch(ctx, name, blocks(last.blocks, e.value_size(), columns()), tile_threads,
           attention_key_gradient<T, columns(), true>, call);
  });
}

}  // namespace dsr1
