// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The forward pass of attention on a CUDA device: online softmax over tiles of queries and keys.
#pragma once

#include <algorithm>
#include <limits>

#include <dsr1/cuda/attention_tiles.cuh>

namespace dsr1 {

namespace cuda_kernels {

/// The keys of this many positions, aligned at multiples of it, are summed by themselves and then
/// merged in order. Every call does so; a call of few queries gives each segment to a block of
/// threads of its own. A decoding step thus keeps kv_heads times length / 256 blocks busy: below
/// some 4000 positions of one sequence with 8 key-value heads the device is not full, and a
/// smaller segment would make every other call merge more often.
inline constexpr index_t attention_segment = 256;
static_assert(attention_segment % attention_block == 0);

template <class T>
struct attention_call {
  attention_extents e;
  view<const T, 2> q;
  key_values<T> kv;
  view<const T, 1> sinks;
  view<T, 2> y, lse;
  view<const attention_run, 1> runs;
  index_t tiles = 0;

  // Segments of a row that other blocks merge: row (t heads + h) most + n is the n-th that query t
  // of head h sees. No values when every block merges its own.
  view<T, 2> part_values, part_states;
  index_t most = 1;

  __device__ index_t group() const { return e.heads / e.kv_heads; }
  /// The first position whose key is there.
  __device__ index_t start(const sequence& s) const { return kv.ring == 0 ? s.position : 0; }
  /// The first position that a query sees.
  __device__ index_t oldest(const sequence& s, index_t position) const {
    const index_t from = e.window > 0 ? position - e.window + 1 : 0;
    return from > start(s) ? from : start(s);
  }
  /// The row of the key at an aligned position, from which those of its block count on. It may be
  /// below that of the first key of the call.
  __device__ index_t row_of_block(const sequence& s, index_t first) const {
    return kv.ring == 0 ? s.begin + first - s.position : s.slot * kv.ring + first % kv.ring;
  }
};

/// The maximum and the sum of a softmax relative to it.
template <class T>
struct softmax_state {
  T top, sum;

  /// Without keys.
  __device__ static softmax_state start(const view<const T, 1>& sinks, index_t h) {
    if (sinks.data != nullptr) return {sinks[h], T(1)};
    return {-std::numeric_limits<T>::infinity(), T(0)};
  }
  /// By what the values before and those of the segment have to be multiplied.
  __device__ void merge(const softmax_state& segment, T& before, T& now) {
    const T above = segment.top > top ? segment.top : top;
    before = std::exp(top - above);
    now = std::exp(segment.top - above);
    sum = std::fma(segment.sum, now, sum * before);
    top = above;
  }
  __device__ T logarithm() const { return top + std::log(sum); }
};

/// Never contracted with what follows, which could differ between two copies of a loop.
__device__ inline float rounded_product(float a, float b) { return __fmul_rn(a, b); }
__device__ inline double rounded_product(double a, double b) { return __dmul_rn(a, b); }

/// One operation for both places that merge, so that they give the same bits.
template <class T>
__device__ T merged(T total, T before, T segment, T now) {
  return std::fma(segment, now, total * before);
}

template <class T, int Columns>
__global__ __launch_bounds__(tile_threads,
                             tile_blocks<T, Columns>) void attention(attention_call<T> c) {
  __shared__ tile_memory<T> m;
  const index_t group = c.group(), d = c.e.head_dim, size = c.e.value_size();
  const index_t sections = ceil_div(size, index_t{warp_size} * Columns);
  index_t n = blockIdx.x;
  const index_t section = n % sections * warp_size * Columns;
  n /= sections;
  const index_t part = n % c.most;
  n /= c.most;
  const index_t g = n % c.e.kv_heads;
  const index_t number = c.tiles - 1 - n / c.e.kv_heads;  // those with most keys begin first
  const attention_run run = run_of(c.runs, &attention_run::tiles, number);
  const sequence& s = run.s;
  const index_t own_tiles = ceil_div(s.length * group, index_t{tile_rows});
  const query_tile tile(s, number - (run.tiles - own_tiles), group);
  const index_t begin = s.position + tile.token;
  const index_t oldest = c.oldest(s, begin), end = begin + tile.token_of(tile.rows - 1) + 1;
  index_t from = oldest, to = end;
  const bool split = c.part_values.data != nullptr;
  if (split) {
    const index_t segment = (oldest / attention_segment + part) * attention_segment;
    from = segment > from ? segment : from;
    to = query_tile::smaller(to, segment + attention_segment);
  }
  const bool few = tile.rows <= 2 * tile_warps;
  const T scale = static_cast<T>(c.e.scale);

  const auto query = [&](int r) {
    return r < tile.rows ? c.q.row(s.begin + tile.token + tile.token_of(r)) +
                               (g * group + tile.head_of(r)) * d
                         : nullptr;
  };
  T values[warp_rows][Columns], sum[warp_rows];
  softmax_state<T> now[warp_rows], total[warp_rows];
#pragma unroll
  for (int i = 0; i < warp_rows; ++i)
    total[i] = softmax_state<T>::start(c.sinks, g * group + tile.head_of(row_of_warp(i)));
  bool fresh = true, kept = false;
  for (index_t first = from / attention_block * attention_block; first < to;
       first += attention_block) {
    if (fresh) {
#pragma unroll
      for (int i = 0; i < warp_rows; ++i) {
        now[i] = {-std::numeric_limits<T>::infinity(), T(0)};
        sum[i] = 0;
#pragma unroll
        for (int k = 0; k < Columns; ++k) values[i][k] = 0;
      }
    }
    const index_t row = c.row_of_block(s, first);
    const int low = static_cast<int>(first < oldest ? oldest - first : 0);
    const int high = static_cast<int>(query_tile::smaller(tile_rows, end - first));
    const auto there = [&](int j) { return j >= low && j < high; };
    const auto key = [&](int j) { return there(j) ? c.kv.keys.row(row + j) + g * d : nullptr; };
    const auto value = [&](int j) {
      return there(j) ? c.kv.values.row(row + j) + g * size : nullptr;
    };
    T p[warp_rows];
    scores_of(p, m, query, key, d, few, kept);
    kept = d <= tile_chunk<T>;
#pragma unroll
    for (int i = 0; i < warp_rows; ++i) {
      const int r = row_of_warp(i);
      const key_span span(begin + tile.token_of(r), c.e.window, c.start(s), first);
      if (r < tile.rows && span.any()) {  // the same in all lanes
        const T x = span.holds(lane_number()) ? rounded_product(p[i], scale)
                                              : -std::numeric_limits<T>::infinity();
        const T highest = warp_reduce(x, larger());
        T shrink = 1;
        if (highest > now[i].top) {
          shrink = std::exp(now[i].top - highest);
          now[i].top = highest;
#pragma unroll
          for (int k = 0; k < Columns; ++k) values[i][k] *= shrink;
        }
        p[i] = std::exp(x - now[i].top);
        sum[i] = std::fma(sum[i], shrink, p[i]);
      } else {
        p[i] = 0;
      }
    }
    accumulate_rows(values, m, p, value, section, size, few, false, low, high);

    const index_t segment = first / attention_segment * attention_segment;
    fresh = first + attention_block == segment + attention_segment;
    if (!fresh && first + attention_block < to) continue;
#pragma unroll
    for (int i = 0; i < warp_rows; ++i) {
      const int r = row_of_warp(i);
      const index_t position = begin + tile.token_of(r), seen = c.oldest(s, position);
      if (r >= tile.rows || position < segment || seen >= segment + attention_segment) continue;
      const index_t t = s.begin + tile.token + tile.token_of(r), h = g * group + tile.head_of(r);
      now[i].sum = warp_reduce(sum[i]);
      T* out = c.y.row(t) + h * size;
      T before = 0, factor = 1;
      if (split) {
        const index_t at =
            (t * c.e.heads + h) * c.most + first / attention_segment - seen / attention_segment;
        out = c.part_values.row(at);
        if (lane_number() == 0 && section == 0)
          c.part_states(at, 0) = now[i].top, c.part_states(at, 1) = now[i].sum;
      } else {
        total[i].merge(now[i], before, factor);
      }
      const bool earlier = seen < segment, last = position < segment + attention_segment;
#pragma unroll
      for (int k = 0; k < Columns; ++k) {
        const index_t column = section + lane_number() + k * warp_size;
        if (column >= size) continue;
        if (split) {
          out[column] = values[i][k];
        } else {
          const T v = merged(earlier ? out[column] : T(0), before, values[i][k], factor);
          out[column] = last ? v * (T(1) / total[i].sum) : v;
        }
      }
      if (!split && last && section == 0 && lane_number() == 0) c.lse(t, h) = total[i].logarithm();
    }
  }
}

/// Merges the segments of one head of one query per block of threads.
template <class T>
__global__ void attention_merge(attention_call<T> c) {
  const index_t t = blockIdx.x / c.e.heads, h = blockIdx.x % c.e.heads;
  const sequence s = run_of(c.runs, &attention_run::rows, t).s;
  const index_t position = s.position + t - s.begin;
  const index_t segments =
      position / attention_segment - c.oldest(s, position) / attention_segment + 1;
  for (index_t column = threadIdx.x; column < c.e.value_size(); column += tile_threads) {
    softmax_state<T> total = softmax_state<T>::start(c.sinks, h);
    T v = 0;
#pragma unroll 4
    for (index_t n = 0; n < segments; ++n) {
      const index_t at = blockIdx.x * c.most + n;
      T before = 0, factor = 1;
      total.merge({c.part_states(at, 0), c.part_states(at, 1)}, before, factor);
      v = merged(v, before, c.part_values(at, column), factor);
    }
    c.y(t, h * c.e.value_size() + column) = v * (T(1) / total.sum);
    if (column == 0) c.lse(t, h) = total.logarithm();
  }
}

}  // namespace cuda_kernels

/// What decides whether segments are shared out; the result does not depend on it.
struct attention_split {
  index_t enough_blocks = 512;             ///< nothing is shared out from here on
  index_t most_values = index_t{1} << 25;  ///< that may be kept between
};

/// The most segments that a tile of the call sees.
inline index_t attention_segments(const sequence_layout& sequences, index_t window, index_t ring) {
  constexpr index_t segment = cuda_kernels::attention_segment;
  index_t most = 1;
  for (index_t i = 0; i < sequences.count(); ++i) {
    const sequence s = sequences[i];
    if (s.length == 0) continue;
    const index_t first = ring == 0 ? s.position : 0, end = s.position + s.length;
    index_t n = (end - 1) / segment - first / segment + 1;
    if (window > 0) n = std::min(n, (window + cuda_kernels::tile_rows - 2) / segment + 2);
    most = std::max(most, n);
  }
  return most;
}

template <class Ctx, class T>
void attention_forward(Ctx& ctx, const attention_extents& e, view<const T, 2> q,
                       const key_values<T>& kv, view<const T, 1> sinks,
                       const sequence_layout& sequences, view<T, 2> y, view<T, 2> lse,
                       const attention_split& split = {}) {
  using namespace cuda_kernels;
  const workspace::scope scope(ctx.workspace());
  attention_run last;
  const auto runs = runs_on_device(ctx, sequences, e.heads / e.kv_heads, last);
  attention_call<T> call{e, q, kv, sinks, y, lse, runs, last.tiles, {}, {}, 1};
  with_lane_columns(e.value_size(), [&](auto columns) {
    const index_t blocks =
        last.tiles * e.kv_heads * ceil_div(e.value_size(), index_t{warp_size} * columns());
    const index_t most = attention_segments(sequences, e.window, kv.ring);
    const index_t parts = q.rows() * e.heads * most;
    if (most > 1 && blocks < split.enough_blocks && parts * e.value_size() <= split.most_values) {
      call.most = most;
      call.part_values = ctx.template take<T>(parts, e.value_size());
      call.part_states = ctx.template take<T>(parts, index_t{2});
    }
    launch(ctx, "attention", blocks * call.most, tile_threads,
           cuda_kernels::attention<T, columns()>, call);
  });
  if (call.part_values.data != nullptr)
    launch(ctx, "attention", q.rows() * e.heads, tile_threads, attention_merge<T>, call);
}

}  // namespace dsr1
