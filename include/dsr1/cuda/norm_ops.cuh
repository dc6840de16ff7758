// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// RMSNorm on a CUDA device.
#pragma once

#include <algorithm>
#include <cmath>

#include <dsr1/backend/norm_ops.hpp>
#include <dsr1/core/float16.hpp>
#include <dsr1/cuda/launch.cuh>
#include <dsr1/cuda/warp.cuh>

namespace dsr1 {

namespace cuda_kernels {

/// Rows up to this size have a warp each, longer ones a block. By the size of a row only, so that
/// a row has the same bits in every batch.
inline constexpr index_t norm_warp_columns = 1024;

/// The sum over the `Threads` threads of a row: a warp, or the block.
template <int Threads, class T>
__device__ T norm_sum(T value) {
  if constexpr (Threads == warp_size)
    return warp_reduce(value);
  else
    return block_reduce<Threads>(value);
}

template <class T>
__device__ T bf16_rounded(T value) {
  return static_cast<T>(static_cast<float>(bf16(static_cast<float>(value))));
}

template <class T>
__device__ T scaled_and_rounded(T normalised, T weight, norm_rounding rounding) {
  if (rounding == norm_rounding::none) return weight * normalised;
  if (rounding == norm_rounding::before_weight) normalised = bf16_rounded(normalised);
  return bf16_rounded(weight * normalised);
}

template <int Threads, class T>
__global__ void rms_norm(view<const T, 2> x, view<const T, 1> weight, T eps, norm_rounding rounding,
                         view<T, 2> y, view<T, 1> inverse) {
  const index_t t = thread_number() / Threads, n = x.columns();
  const auto mine = static_cast<index_t>(threadIdx.x % Threads);
  if (t >= x.rows()) return;  // whole warps; blocks of one row are never beyond
  T squares = 0;
#pragma unroll 4
  for (index_t i = mine; i < n; i += Threads) squares += x(t, i) * x(t, i);
  const T r = T(1) / std::sqrt(norm_sum<Threads>(squares) / static_cast<T>(n) + eps);
  if (mine == 0) inverse[t] = r;
#pragma unroll 4
  for (index_t i = mine; i < n; i += Threads)
    y(t, i) = scaled_and_rounded(x(t, i) * r, weight.data ? weight[i] : T(1), rounding);
}

/// A chunk of rows, one after another, so that their part of dweight is summed where they are in
/// the cache: partial[chunk] = sum_t dy x r.
template <int Threads, class T>
__global__ void rms_norm_backward(view<const T, 2> dy, view<const T, 2> x, view<const T, 1> weight,
                                  view<const T, 1> inverse, view<T, 2> dx, index_t chunk,
                                  view<T, 2> partial) {
  const index_t c = thread_number() / Threads, n = x.columns(), first = c * chunk;
  const index_t end = first + chunk < x.rows() ? first + chunk : x.rows();
  const auto mine = static_cast<index_t>(threadIdx.x % Threads);
  for (index_t t = first; t < end; ++t) {
    T projection = 0;
#pragma unroll 4
    for (index_t i = mine; i < n; i += Threads)
      projection += (weight.data ? weight[i] : T(1)) * dy(t, i) * x(t, i);
    const T r = inverse[t];
    const T along = r * r * norm_sum<Threads>(projection) / static_cast<T>(n);
    for (index_t i = mine; i < n; i += Threads) {
      const T d = dy(t, i), v = x(t, i);
      dx(t, i) = r * ((weight.data ? weight[i] : T(1)) * d - v * along);
      if (weight.data) partial(c, i) = d * v * r + (t > first ? partial(c, i) : T(0));
    }
  }
}

/// The rows that a block of add_rows adds, 32 columns wide.
inline constexpr index_t norm_fold = 256;

/// to[j] (+)= the sum of the j-th `norm_fold` rows of `from`.
template <class T>
__global__ void add_rows(view<const T, 2> from, view<T, 2> to, bool onto) {
  constexpr int warps = cuda_block / warp_size;
  __shared__ T part[warps][warp_size];
  const index_t tiles = ceil_div(from.columns(), index_t{warp_size}), j = blockIdx.x / tiles;
  const index_t column = blockIdx.x % tiles * warp_size + lane_number();
  const index_t end = (j + 1) * norm_fold < from.rows() ? (j + 1) * norm_fold : from.rows();
  T sum = 0;
  if (column < from.columns())
#pragma unroll 4
    for (index_t i = j * norm_fold + warp_number(); i < end; i += warps) sum += from(i, column);
  part[warp_number()][lane_number()] = sum;
  __syncthreads();
  if (warp_number() > 0 || column >= from.columns()) return;
#pragma unroll
  for (int w = 1; w < warps; ++w) sum += part[w][lane_number()];
  to(j, column) = onto ? to(j, column) + sum : sum;
}

}  // namespace cuda_kernels

/// The group `norm_ops` of the backend contract.
struct cuda_norm {
  template <class Ctx, class T>
  static void rms_norm(Ctx& ctx, view<const T, 2> x, view<const T, 1> weight, double eps,
                       norm_rounding rounding, view<T, 2> y, view<T, 1> inverse) {
    expect_rms_norm(x, weight, y, inverse);
    const bool narrow = x.columns() <= cuda_kernels::norm_warp_columns;
    launch(ctx, "rms_norm", blocks(x.rows(), narrow), cuda_block,
           narrow ? cuda_kernels::rms_norm<warp_size, T> : cuda_kernels::rms_norm<cuda_block, T>, x,
           weight, static_cast<T>(eps), rounding, y, inverse);
  }

  template <class Ctx, class T>
  static void rms_norm_backward(Ctx& ctx, view<const T, 2> dy, view<const T, 2> x,
                                view<const T, 1> weight, view<const T, 1> inverse, view<T, 2> dx,
                                view<T, 1> dweight, accumulate add) {
    expect_rms_norm_backward(dy, x, weight, inverse, dx, dweight);
    const index_t n = x.columns();
    const bool narrow = n <= cuda_kernels::norm_warp_columns;
    // Enough chunks to fill a large device, and no more: each writes a row of sums. By the number
    // of rows only, so that every device adds in one order.
    const index_t chunk = std::max(index_t{4}, ceil_div(x.rows(), index_t{narrow ? 8192 : 1024}));
    const index_t chunks = ceil_div(x.rows(), chunk);
    const workspace::scope scope(ctx.workspace());
    auto partial = ctx.template take<T>(chunks, weight.data ? n : 0);
    launch(ctx, "rms_norm_backward", blocks(chunks, narrow), cuda_block,
           narrow ? cuda_kernels::rms_norm_backward<warp_size, T>
                  : cuda_kernels::rms_norm_backward<cuda_block, T>,
           dy, x, weight, inverse, dx, chunk, partial);
    if (!weight.data) return;
    const index_t tiles = ceil_div(n, index_t{warp_size});
    while (partial.rows() > cuda_kernels::norm_fold) {
      const auto fewer = ctx.template take<T>(ceil_div(partial.rows(), cuda_kernels::norm_fold), n);
      launch(ctx, "rms_norm_backward", fewer.rows() * tiles, cuda_block, cuda_kernels::add_rows<T>,
             partial, fewer, false);
      partial = fewer;
    }
    launch(ctx, "rms_norm_backward", tiles, cuda_block, cuda_kernels::add_rows<T>, partial,
           view<T, 2>(dweight.data, 1, n), add == accumulate::yes);
  }

 private:
  static index_t blocks(index_t rows, bool narrow) {
    return narrow ? ceil_div(rows, index_t{cuda_block / warp_size}) : rows;
  }
};

}  // namespace dsr1
