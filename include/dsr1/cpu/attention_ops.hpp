// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Window attention with sinks on the CPU: blocks of queries and keys, online softmax.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include <dsr1/backend/attention_ops.hpp>
#include <dsr1/cpu/attention_blocks.hpp>
#include <dsr1/cpu/attention_kernels.hpp>
#include <dsr1/cpu/gemm_kernels.hpp>
#include <dsr1/cpu/row_kernels.hpp>
#include <dsr1/cpu/tensor_ops.hpp>
#include <dsr1/tensor/workspace.hpp>

namespace dsr1 {

/// The group `attention_ops` of the backend contract. Milakov and Gimelshein 2018 (arXiv
/// 1805.02867) for the online softmax, Dao 2023 (arXiv 2307.08691) for the blocked backward pass.
struct cpu_attention {
  template <class Ctx, class T>
  static void rotate(Ctx& ctx, view<T, 2> x, index_t head_dim, rope_layout layout,
                     view<const T, 2> cosine, view<const T, 2> sine,
                     const sequence_layout& sequences, bool inverse) {
    expect_rotate(x, head_dim, cosine, sine, sequences);
    const T sign = inverse ? T(-1) : T(1);
    auto turn = [&](auto kernels, index_t t, index_t position, index_t) {
      for (index_t h = 0; h < x.columns(); h += head_dim) {
        T* const head = x.row(t) + h;
        if (layout == rope_layout::half_split)
          kernels.rotate_halves(head, cosine.row(position), sine.row(position), head_dim / 2, sign);
        else
          kernels.rotate_pairs(head, cosine.row(position), sine.row(position), head_dim / 2, sign);
      }
    };
    each_row<T>(ctx, x.columns(), sequences, turn);
  }

  template <class Ctx, class T>
  static void store_cache(Ctx& ctx, view<const T, 2> x, const sequence_layout& sequences,
                          index_t ring, view<T, 2> cache) {
    expect_store_cache(x, sequences, ring, cache);
    auto store = [&](auto, index_t t, index_t position, index_t slot) {
      std::copy_n(x.row(t), x.columns(), cache.row(slot * ring + position % ring));
    };
    each_row<T>(ctx, x.columns(), sequences, store);
  }

  template <class Ctx, class T>
  static void attention(Ctx& ctx, const attention_extents& e, view<const T, 2> q,
                        const key_values<T>& kv, view<const T, 1> sinks,
                        const sequence_layout& sequences, view<T, 2> y, view<T, 2> lse) {
    expect_attention<T>(e, q, kv, sinks, sequences, y, lse);
    simd::dispatch<T>(ctx.device().instructions(), [&](auto instructions) {
      forward<decltype(instructions)>(ctx, e, q, kv, sinks, sequences, y, lse);
    });
  }

  template <class Ctx, class T>
  static void attention_backward(Ctx& ctx, const attention_extents& e, view<const T, 2> q,
                                 const key_values<T>& kv, view<const T, 1> sinks,
                                 const sequence_layout& sequences, view<const T, 2> y,
                                 view<const T, 2> lse, view<const T, 2> dy, view<T, 2> dq,
                                 view<T, 2> dk, view<T, 2> dv, view<T, 1> dsinks, accumulate add) {
    expect_attention_backward(e, q, kv, sinks, sequences, y, lse, dy, dq, dk, dv, dsinks);
    simd::dispatch<T>(ctx.device().instructions(), [&](auto instructions) {
      backward<decltype(instructions)>(ctx, e, q, kv, sinks, sequences, y, lse, dy, dq, dk, dv,
                                       dsinks, add);
    });
  }

 private:
  /// f(kernels, row, position, slot) over all rows, in parallel.
  template <class T, class Ctx, class F>
  static void each_row(Ctx& ctx, index_t columns, const sequence_layout& sequences, F&& f) {
    simd::dispatch<T>(ctx.device().instructions(), [&](auto instructions) {
      for (index_t i = 0; i < sequences.count(); ++i) {
        const sequence s = sequences[i];
        parallel_rows(ctx, s.length, columns, [&](index_t first, index_t count) {
          for (index_t r = first; r < first + count; ++r)
            f(simd::attention_kernels<decltype(instructions)>{}, s.begin + r, s.position + r,
              s.slot);
        });
      }
    });
  }

  template <class Isa, class Ctx, class T>
  static void forward(Ctx& ctx, const attention_extents& e, view<const T, 2> q,
                      const key_values<T>& kv, view<const T, 1> sinks,
                      const sequence_layout& sequences, view<T, 2> y, view<T, 2> lse) {
    using namespace attention_blocks;
    using gemm = simd::gemm_kernels<Isa>;
    using kernels = simd::attention_kernels<Isa>;
    const workspace::scope scope(ctx.workspace());
    const index_t group = e.heads / e.kv_heads, d = e.head_dim, dv = e.value_size();
    const index_t pieces = ceil_div(group, head_block), most = std::min(group, head_block);
    const auto memory = ctx.template take<T>(ctx.device().pool().size(), scratch<T>::size(e, most));
    // Tasks: every block of queries of every piece of the heads of every key-value head.
    const auto ends = ctx.template take<index_t>(sequences.count());
    index_t blocks = 0;
    for (index_t i = 0; i < sequences.count(); ++i)
      ends[i] = blocks += ceil_div(sequences[i].length, q_block);
    parallel_for(ctx, blocks * e.kv_heads * pieces, [&](index_t task, int worker) {
      const index_t b = task / (e.kv_heads * pieces), g = task / pieces % e.kv_heads;
      const index_t piece = task % pieces * most;
      const index_t h0 = g * group + piece, heads = std::min(most, group - piece);
      const index_t i = std::upper_bound(ends.begin(), ends.end(), b) - ends.begin();
      const sequence s = sequences[i];
      const index_t begin = s.position + (b - (i > 0 ? ends[i - 1] : 0)) * q_block;
      const index_t end = std::min(begin + q_block, s.position + s.length);
      // A single query makes one product whose rows are its heads, else each head makes its own.
      const bool single = end - begin == 1;
      const bool in_place = single && dv % gemm::columns == 0;
      const scratch<T> w(memory.row(worker), e, most);
      std::fill_n(w.sum, heads * q_block, sinks.data ? T(1) : T(0));
      for (index_t r = 0; r < heads; ++r) {
        std::fill_n(w.top + r * q_block, q_block,
                    sinks.data ? sinks[h0 + r] : -std::numeric_limits<T>::infinity());
        for (index_t t = begin; t < end; ++t)
          std::fill_n(y.row(s.begin + t - s.position) + (h0 + r) * dv, dv, T(0));
      }
      for (index_t first = first_block(e.window, s, begin, kv.ring); first < end;
           first += k_block) {
        const key_block keys = block_at(kv.ring, s, first, end);
        index_t from = begin, to = end;
        visible_queries(e.window, keys, from, to);
        if (from >= to) continue;
        gemm::pack(transposed(head(kv.keys, g, d).slice_rows(keys.row, keys.count)), w.keys);
        const matrix<const T> values = head(kv.values, g, dv).slice_rows(keys.row, keys.count);
        if (!in_place) gemm::pack(values, w.values);
        const index_t row = s.begin + from - s.position, rows = single ? heads : to - from;
        for (index_t r = 0; r < (single ? 1 : heads); ++r) {
          const matrix<const T> queries(q.row(row) + (h0 + r) * d, rows, d, single ? d : q.stride,
                                        1);
          const matrix<T> out(y.row(row) + (h0 + r) * dv, rows, dv, single ? dv : y.stride, 1);
          const matrix<T> scores(w.scores, rows, keys.count, k_block, 1);
          gemm::multiply(queries, w.keys, scores, false, nullptr, w.tile);
          for (index_t n = 0; n < rows; ++n) {
            const index_t t = single ? from : from + n;
            const index_t at = (single ? n : r) * q_block + t - begin;
            const span_of_keys range = seen(e.window, keys, t);
            const T shrink = kernels::update(w.scores + n * k_block, k_block, range.low, range.high,
                                             static_cast<T>(e.scale), w.top[at], w.sum[at]);
            if (shrink != T(1)) kernels::multiply_row(out.data + n * out.row_stride, dv, shrink);
          }
          const matrix<const T> weights(w.scores, rows, keys.count, k_block, 1);
          if (in_place)
            gemm::multiply_in_place(weights, values, out, true);
          else
            gemm::multiply(weights, w.values, out, true, nullptr, w.tile);
        }
      }
      for (index_t r = 0; r < heads; ++r)
        for (index_t t = begin; t < end; ++t) {
          const index_t row = s.begin + t - s.position, at = r * q_block + t - begin;
          kernels::multiply_row(y.row(row) + (h0 + r) * dv, dv, T(1) / w.sum[at]);
          lse(row, h0 + r) = w.top[at] + std::log(w.sum[at]);
        }
    });
  }

  template <class Isa, class Ctx, class T>
  static void backward(Ctx& ctx, const attention_extents& e, view<const T, 2> q,
                       const key_values<T>& kv, view<const T, 1> sinks,
                       const sequence_layout& sequences, view<const T, 2> y, view<const T, 2> lse,
                       view<const T, 2> dy, view<T, 2> dq, view<T, 2> dk, view<T, 2> dv,
                       view<T, 1> dsinks, accumulate add) {
    using namespace attention_blocks;
    using gemm = simd::gemm_kernels<Isa>;
    using kernels = simd::attention_kernels<Isa>;
    using rows = simd::row_kernels<Isa>;
    const workspace::scope scope(ctx.workspace());
    const index_t group = e.heads / e.kv_heads, d = e.head_dim, size = e.value_size();
    const auto memory = ctx.template take<T>(ctx.device().pool().size(), scratch<T>::size(e, 0));
    const auto projection = ctx.template take<T>(q.rows(), e.heads);  // <dy, y> per head
    const auto partial = ctx.template take<T>(sequences.count(), e.heads);
    // Tasks: every key-value head of every sequence, so that all sums stay with one thread.
    parallel_for(ctx, sequences.count() * e.kv_heads, [&](index_t task, int worker) {
      const sequence s = sequences[task / e.kv_heads];
      const index_t g = task % e.kv_heads;
      const index_t end = s.position + s.length;
      const scratch<T> w(memory.row(worker), e, 0);
      for (index_t h = g * group; h < (g + 1) * group; ++h) {
        T sum = 0;
        for (index_t t = s.begin; t < s.begin + s.length; ++t) {
          projection(t, h) = rows::dot(dy.row(t) + h * size, y.row(t) + h * size, size);
          std::fill_n(dq.row(t) + h * d, d, T(0));
          if (sinks.data) sum -= std::exp(sinks[h] - lse(t, h)) * projection(t, h);
        }
        partial(task / e.kv_heads, h) = sum;
      }
      for (index_t first = s.position / k_block * k_block; first < end; first += k_block) {
        const key_block keys = block_at(kv.ring, s, first, end);
        const auto k = head(kv.keys, g, d).slice_rows(keys.row, keys.count);
        const auto v = head(kv.values, g, size).slice_rows(keys.row, keys.count);
        gemm::pack(transposed(k), w.keys);
        gemm::pack(matrix<const T>(k), w.values);
        gemm::pack(transposed(v), w.values_transposed);
        const auto dkeys = head(dk, g, d).slice_rows(keys.row, keys.count);
        const auto dvalues = head(dv, g, size).slice_rows(keys.row, keys.count);
        bool fresh = true;
        for (index_t begin = keys.first; begin < end; begin += q_block) {
          index_t from = begin, to = std::min(begin + q_block, end);
          visible_queries(e.window, keys, from, to);
          if (from >= to) break;
          const index_t row = s.begin + from - s.position, count = to - from;
          for (index_t h = g * group; h < (g + 1) * group; ++h) {
            const auto query = head(q, h, d).slice_rows(row, count);
            const auto dout = head(dy, h, size).slice_rows(row, count);
            const matrix<T> scores(w.scores, count, keys.count, k_block, 1);
            const matrix<T> dscores(w.gradient, count, keys.count, k_block, 1);
            gemm::multiply(matrix<const T>(query), w.keys, scores, false, nullptr, w.tile);
            gemm::multiply(matrix<const T>(dout), w.values_transposed, dscores, false, nullptr,
                           w.tile);
            for (index_t t = from; t < to; ++t) {
              const span_of_keys range = seen(e.window, keys, t);
              const index_t at = s.begin + t - s.position;
              T* const p = w.scores + (t - from) * k_block;
              kernels::probabilities(p, k_block, range.low, range.high, static_cast<T>(e.scale),
                                     lse(at, h));
              kernels::score_gradient(p, w.gradient + (t - from) * k_block, k_block,
                                      static_cast<T>(e.scale), projection(at, h));
            }
            gemm::pack(matrix<const T>(dout), w.queries);
            gemm::multiply(matrix<const T>(w.scores, count, keys.count, k_block, 1).transposed(),
                           w.queries, matrix<T>(dvalues), !fresh, nullptr, w.tile);
            gemm::pack(matrix<const T>(query), w.queries);
            gemm::multiply(matrix<const T>(w.gradient, count, keys.count, k_block, 1).transposed(),
                           w.queries, matrix<T>(dkeys), !fresh, nullptr, w.tile);
            gemm::multiply(matrix<const T>(w.gradient, count, keys.count, k_block, 1), w.values,
                           matrix<T>(head(dq, h, d).slice_rows(row, count)), true, nullptr, w.tile);
            fresh = false;
          }
        }
      }
    });
    if (!sinks.data) return;
    for (index_t h = 0; h < e.heads; ++h) {
      T sum = add == accumulate::yes ? dsinks[h] : T(0);
      for (index_t i = 0; i < sequences.count(); ++i) sum += partial(i, h);
      dsinks[h] = sum;
    }
  }
};

}  // namespace dsr1
