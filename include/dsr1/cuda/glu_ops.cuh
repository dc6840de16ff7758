// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Gated linear units on a CUDA device.
#pragma once

#include <cmath>
#include <cstdint>

#include <dsr1/backend/glu_ops.hpp>
#include <dsr1/cuda/launch.cuh>

namespace dsr1 {

namespace cuda_kernels {

/// A gate and its linear part, side by side in memory: `aligned` moves in one access.
template <class T>
struct glu_pair {
  T gate, up;
};
template <class T>
struct alignas(2 * sizeof(T)) aligned_glu_pair {
  T gate, up;
};

/// The numbers of a `glu`, and what its formulas share.
template <class T>
struct glu_numbers {
  T alpha, limit, offset;

  /// Both let NaN pass.
  __device__ T gate(T g) const { return g > limit ? limit : g; }
  __device__ T up(T u) const { return u > limit ? limit : u < -limit ? -limit : u; }
  __device__ T sigmoid(T gate) const { return T(1) / (T(1) + std::exp(-alpha * gate)); }
};

template <class T, class Pair>
__global__ void gated_unit(glu_numbers<T> f, view<const T, 2> x, view<T, 2> y) {
  const index_t n = thread_number();
  if (n >= y.size()) return;
  const index_t t = n / y.columns(), i = n % y.columns();
  const Pair p = reinterpret_cast<const Pair*>(x.row(t))[i];
  const T g = f.gate(p.gate);
  y(t, i) = g * f.sigmoid(g) * (f.up(p.up) + f.offset);
}

template <class T, class Pair>
__global__ void gated_unit_backward(glu_numbers<T> f, view<const T, 2> dy, view<const T, 2> x,
                                    view<T, 2> dx) {
  const index_t n = thread_number();
  if (n >= dy.size()) return;
  const index_t t = n / dy.columns(), i = n % dy.columns();
  const Pair p = reinterpret_cast<const Pair*>(x.row(t))[i];
  const T g = f.gate(p.gate), s = f.sigmoid(g), d = dy(t, i);
  const T slope = s * (f.alpha * g * (T(1) - s) + T(1));
  const bool above = p.gate > f.limit, outside = p.up > f.limit || p.up < -f.limit;
  reinterpret_cast<Pair*>(dx.row(t))[i] = {above ? T(0) : d * (slope * (f.up(p.up) + f.offset)),
                                           outside ? T(0) : d * (g * s)};
}

}  // namespace cuda_kernels

/// The group `glu_ops` of the backend contract.
struct cuda_glu {
  template <class Ctx, class T>
  static void gated_unit(Ctx& ctx, const glu& f, view<const T, 2> x, view<T, 2> y) {
    expect_gated_unit(x, y);
    launch_each(ctx, "gated_unit", y.size(),
                in_pairs(x) ? cuda_kernels::gated_unit<T, cuda_kernels::aligned_glu_pair<T>>
                            : cuda_kernels::gated_unit<T, cuda_kernels::glu_pair<T>>,
                numbers<T>(f), x, y);
  }

  template <class Ctx, class T>
  static void gated_unit_backward(Ctx& ctx, const glu& f, view<const T, 2> dy, view<const T, 2> x,
                                  view<T, 2> dx) {
    expect_gated_unit_backward(dy, x, dx);
    launch_each(ctx, "gated_unit_backward", dy.size(),
                in_pairs(x) && in_pairs(view<const T, 2>(dx))
                    ? cuda_kernels::gated_unit_backward<T, cuda_kernels::aligned_glu_pair<T>>
                    : cuda_kernels::gated_unit_backward<T, cuda_kernels::glu_pair<T>>,
                numbers<T>(f), dy, x, dx);
  }

 private:
  template <class T>
  static cuda_kernels::glu_numbers<T> numbers(const glu& f) {
    return {static_cast<T>(f.alpha), static_cast<T>(f.limit), static_cast<T>(f.offset)};
  }
  /// Whether every pair lies where it can be moved at once.
  template <class T>
  static bool in_pairs(view<const T, 2> x) {
    return reinterpret_cast<std::uintptr_t>(x.data) % (2 * sizeof(T)) == 0 &&
           (x.rows() <= 1 || x.stride % 2 == 0);
  }
};

}  // namespace dsr1
