// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Rotary positions, the key-value cache and window attention with sinks on a CUDA device.
#pragma once

#include <dsr1/cuda/attention_backward.cuh>
#include <dsr1/cuda/attention_forward.cuh>

namespace dsr1 {

namespace cuda_kernels {

/// One thread per pair.
template <class T>
__global__ void rotate(view<T, 2> x, index_t head_dim, bool halves, view<const T, 2> cosine,
                       view<const T, 2> sine, view<const attention_run, 1> runs, T sign) {
  const index_t half = head_dim / 2, pairs = x.columns() / 2, n = thread_number();
  if (n >= x.rows() * pairs) return;
  const index_t t = n / pairs, head = n % pairs / half, i = n % half;
  const sequence s = run_of(runs, &attention_run::rows, t).s;
  const index_t position = s.position + t - s.begin;
  T* const pair = x.row(t) + head * head_dim + (halves ? i : 2 * i);
  const index_t other = halves ? half : 1;
  const T a = pair[0], b = pair[other], c = cosine(position, i), d = sine(position, i) * sign;
  pair[0] = std::fma(-b, d, a * c);
  pair[other] = std::fma(a, d, b * c);
}

template <class T>
__global__ void store_cache(view<const T, 2> x, view<const attention_run, 1> runs, index_t ring,
                            view<T, 2> cache) {
  const index_t n = thread_number();
  if (n >= x.size()) return;
  const index_t t = n / x.columns(), column = n % x.columns();
  const sequence s = run_of(runs, &attention_run::rows, t).s;
  cache(s.slot * ring + (s.position + t - s.begin) % ring, column) = x(t, column);
}

}  // namespace cuda_kernels

/// The group `attention_ops` of the backend contract. Milakov and Gimelshein 2018 (arXiv
/// 1805.02867) for the online softmax, Dao 2023 (arXiv 2307.08691) for the blocked backward pass.
/// No operation waits for the device.
struct cuda_attention {
  template <class Ctx, class T>
  static void rotate(Ctx& ctx, view<T, 2> x, index_t head_dim, rope_layout layout,
                     view<const T, 2> cosine, view<const T, 2> sine,
                     const sequence_layout& sequences, bool inverse) {
    expect_rotate(x, head_dim, cosine, sine, sequences);
    const workspace::scope scope(ctx.workspace());
    cuda_kernels::attention_run last;
    const auto runs = runs_on_device(ctx, sequences, 1, last);
    launch_each(ctx, "rotate", x.size() / 2, cuda_kernels::rotate<T>, x, head_dim,
                layout == rope_layout::half_split, cosine, sine, runs, inverse ? T(-1) : T(1));
  }

  template <class Ctx, class T>
  static void store_cache(Ctx& ctx, view<const T, 2> x, const sequence_layout& sequences,
                          index_t ring, view<T, 2> cache) {
    expect_store_cache(x, sequences, ring, cache);
    const workspace::scope scope(ctx.workspace());
    cuda_kernels::attention_run last;
    const auto runs = runs_on_device(ctx, sequences, 1, last);
    launch_each(ctx, "store_cache", x.size(), cuda_kernels::store_cache<T>, x, runs, ring, cache);
  }

  template <class Ctx, class T>
  static void attention(Ctx& ctx, const attention_extents& e, view<const T, 2> q,
                        const key_values<T>& kv, view<const T, 1> sinks,
                        const sequence_layout& sequences, view<T, 2> y, view<T, 2> lse) {
    expect_attention<T>(e, q, kv, sinks, sequences, y, lse);
    attention_forward(ctx, e, q, kv, sinks, sequences, y, lse);
  }

  template <class Ctx, class T>
  static void attention_backward(Ctx& ctx, const attention_extents& e, view<const T, 2> q,
                                 const key_values<T>& kv, view<const T, 1> sinks,
                                 const sequence_layout& sequences, view<const T, 2> y,
                                 view<const T, 2> lse, view<const T, 2> dy, view<T, 2> dq,
                                 view<T, 2> dk, view<T, 2> dv, view<T, 1> dsinks, accumulate add) {
    expect_attention_backward(e, q, kv, sinks, sequences, y, lse, dy, dq, dk, dv, dsinks);
    attention_gradient(ctx, e, q, kv, sinks, sequences, y, lse, dy, dq, dk, dv, dsinks, add);
  }
};

}  // namespace dsr1
