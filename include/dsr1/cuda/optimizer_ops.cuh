// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Optimizer steps on a CUDA device: one launch for all tensors, every number read and written once.
#pragma once

#include <cmath>
#include <vector>

#include <dsr1/backend/optimizer_ops.hpp>
#include <dsr1/cuda/launch.cuh>
#include <dsr1/cuda/tensor_ops.cuh>
#include <dsr1/cuda/warp.cuh>

namespace dsr1 {

namespace cuda_kernels {

/// The elements of a block; a tensor has as many blocks as it needs.
inline constexpr index_t optimizer_chunk = 8192;

/// The tensors of a launch, and behind which chunk of all each of them ends.
template <class T>
struct optimizer_table {
  view<const optimizer_tensor<T>, 1> tensors;
  view<const index_t, 1> ends;

  /// f(tensor, i) for the elements of this block.
  template <class F>
  __device__ void for_each_element(F&& f) const {
    const index_t chunk = blockIdx.x;
    index_t i = 0, behind = tensors.rows();  // the first tensor that ends after this chunk
    while (i < behind) {
      const index_t middle = (i + behind) / 2;
      if (ends[middle] > chunk)
        behind = middle;
      else
        i = middle + 1;
    }
    const optimizer_tensor<T>& t = tensors[i];
    const index_t first = (chunk - (i > 0 ? ends[i - 1] : 0)) * optimizer_chunk;
    const index_t end = first + optimizer_chunk < t.size ? first + optimizer_chunk : t.size;
    const auto step = f(t);
    for (index_t j = first + threadIdx.x; j < end; j += cuda_block) step(j);
  }
};

template <class T>
__device__ T gradient_of(const T* g, index_t i, T scale) {
  return g ? g[i] * scale : T(0);
}

template <class T>
__global__ void adamw(optimizer_table<T> table, adamw_numbers a, double step_over_rate, T root) {
  table.for_each_element([=](const optimizer_tensor<T>& t) {
    T *const p = t.value, *const m = t.state[0], *const v = t.state[1];
    const T* const g = t.gradient;
    const T scale = static_cast<T>(a.gradient_scale), one1 = static_cast<T>(1 - a.beta1),
            beta2 = static_cast<T>(a.beta2), one2 = static_cast<T>(1 - a.beta2),
            keep = static_cast<T>(1 - t.rate * t.decay),
            step = static_cast<T>(step_over_rate * t.rate), eps = static_cast<T>(a.eps);
    return [=](index_t i) {
      const T gradient = gradient_of(g, i, scale), m0 = m[i], v0 = v[i], p0 = p[i];
      const T m1 = (gradient - m0) * one1 + m0, v1 = gradient * gradient * one2 + v0 * beta2;
      m[i] = m1;
      v[i] = v1;
      p[i] = m1 / (std::sqrt(v1) / root + eps) * step + p0 * keep;
    };
  });
}

template <class T>
__global__ void sgd(optimizer_table<T> table, sgd_numbers a) {
  table.for_each_element([=](const optimizer_tensor<T>& t) {
    T *const p = t.value, *const b = t.state[0];
    const T* const g = t.gradient;
    const T scale = static_cast<T>(a.gradient_scale), decay = static_cast<T>(t.decay),
            momentum = static_cast<T>(a.momentum), fresh = static_cast<T>(1 - a.dampening),
            step = static_cast<T>(-t.rate);
    return [=](index_t i) {
      const T p0 = p[i], gradient = p0 * decay + gradient_of(g, i, scale);
      T update = gradient;
      if (b) {
        const T b1 = a.first ? gradient : b[i] * momentum + gradient * fresh;
        b[i] = b1;
        update = a.nesterov ? b1 * momentum + gradient : b1;
      }
      p[i] = update * step + p0;
    };
  });
}

template <class T>
__global__ void lion(optimizer_table<T> table, lion_numbers a) {
  table.for_each_element([=](const optimizer_tensor<T>& t) {
    T *const p = t.value, *const m = t.state[0];
    const T* const g = t.gradient;
    const T scale = static_cast<T>(a.gradient_scale), keep = static_cast<T>(1 - t.rate * t.decay),
            one1 = static_cast<T>(1 - a.beta1), one2 = static_cast<T>(1 - a.beta2),
            rate = static_cast<T>(t.rate);
    return [=](index_t i) {
      const T m0 = m[i], p0 = p[i], gap = gradient_of(g, i, scale) - m0;
      const T direction = gap * one1 + m0;
      p[i] = p0 * keep + (direction > 0 ? -rate : direction < 0 ? rate : T(0));
      m[i] = gap * one2 + m0;
    };
  });
}

template <class T>
__global__ void muon_momentum(const T* g, T* b, muon_numbers a, view<T, 1> update) {
  const index_t i = thread_number();
  if (i >= update.rows()) return;
  const T gradient = gradient_of(g, i, static_cast<T>(a.gradient_scale)), b0 = b[i];
  const T b1 = (gradient - b0) * static_cast<T>(1 - a.momentum) + b0;
  b[i] = b1;
  update[i] = a.nesterov ? (b1 - gradient) * static_cast<T>(a.momentum) + gradient : b1;
}

template <class T>
__global__ void apply_update(T* p, view<const T, 1> update, T keep, T step) {
  if (const index_t i = thread_number(); i < update.rows()) p[i] = update[i] * step + p[i] * keep;
}

/// Squares are added in T by threads, which have few of them, and in double from there.
template <class T>
__global__ void squared_norm_parts(optimizer_table<T> table, view<double, 1> parts) {
  T sum = 0;
  table.for_each_element([&sum](const optimizer_tensor<T>& t) {
    return [&sum, g = t.gradient](index_t i) {
      const T x = g ? g[i] : T(0);
      sum += x * x;
    };
  });
  const double whole = block_reduce<cuda_block>(static_cast<double>(sum));
  if (threadIdx.x == 0) parts[blockIdx.x] = whole;
}

/// A block for each tensor adds its parts.
template <class T>
__global__ void squared_norms(optimizer_table<T> table, view<const double, 1> parts,
                              view<double, 1> norms) {
  const index_t t = blockIdx.x, first = t > 0 ? table.ends[t - 1] : 0;
  double sum = 0;
  for (index_t c = first + threadIdx.x; c < table.ends[t]; c += cuda_block) sum += parts[c];
  sum = block_reduce<cuda_block>(sum);
  if (threadIdx.x == 0) norms[t] = sum;
}

}  // namespace cuda_kernels

/// The group `optimizer_ops` of the backend contract. `squared_norms` waits for the device.
struct cuda_optimizer {
  template <class T>
  using tensors_of = std::span<const optimizer_tensor<T>>;

  template <class Ctx, class T>
  static void adamw(Ctx& ctx, tensors_of<T> tensors, const adamw_numbers& a) {
    expect_states("adamw", tensors, 2);
    with_table(ctx, tensors, [&](const auto& table, index_t chunks) {
      launch(ctx, "adamw", chunks, cuda_block, cuda_kernels::adamw<T>, table, a, -1 / a.correction1,
             static_cast<T>(std::sqrt(a.correction2)));
    });
  }

  template <class Ctx, class T>
  static void sgd(Ctx& ctx, tensors_of<T> tensors, const sgd_numbers& a) {
    expect_states("sgd", tensors, a.momentum != 0 ? 1 : 0);
    with_table(ctx, tensors, [&](const auto& table, index_t chunks) {
      launch(ctx, "sgd", chunks, cuda_block, cuda_kernels::sgd<T>, table, a);
    });
  }

  template <class Ctx, class T>
  static void lion(Ctx& ctx, tensors_of<T> tensors, const lion_numbers& a) {
    expect_states("lion", tensors, 1);
    with_table(ctx, tensors, [&](const auto& table, index_t chunks) {
      launch(ctx, "lion", chunks, cuda_block, cuda_kernels::lion<T>, table, a);
    });
  }

  template <class Ctx, class T>
  static void muon_momentum(Ctx& ctx, const optimizer_tensor<T>& one, const muon_numbers& a,
                            view<T, 1> update) {
    expect_muon_momentum(one, update);
    launch_each(ctx, "muon_momentum", one.size, cuda_kernels::muon_momentum<T>, one.gradient,
                one.state[0], a, update);
  }

  template <class Ctx, class T>
  static void apply_update(Ctx& ctx, const optimizer_tensor<T>& one, view<const T, 1> update,
                           double factor) {
    expect_apply_update(one, update);
    launch_each(ctx, "apply_update", one.size, cuda_kernels::apply_update<T>, one.value, update,
                static_cast<T>(1 - one.rate * one.decay), static_cast<T>(-one.rate * factor));
  }

  template <class Ctx, class T>
  static void squared_norms(Ctx& ctx, tensors_of<T> tensors, std::span<double> norms) {
    expect_squared_norms(tensors, norms);
    with_table(ctx, tensors, [&](const auto& table, index_t chunks) {
      const auto parts = ctx.template take<double>(chunks);
      const auto sums = ctx.template take<double>(static_cast<index_t>(norms.size()));
      launch(ctx, "squared_norms", chunks, cuda_block, cuda_kernels::squared_norm_parts<T>, table,
             parts);
      launch(ctx, "squared_norms", sums.rows(), cuda_block, cuda_kernels::squared_norms<T>, table,
             parts, sums);
      cuda_tensor::download(ctx, view<const double, 1>(sums), norms.data());
    });
  }

 private:
  /// f(table on the device, number of chunks).
  template <class Ctx, class T, class F>
  static void with_table(Ctx& ctx, tensors_of<T> tensors, F&& f) {
    std::vector<index_t> ends;
    ends.reserve(tensors.size());
    index_t chunks = 0;
    for (const auto& t : tensors)
      ends.push_back(chunks += ceil_div(t.size, cuda_kernels::optimizer_chunk));
    const workspace::scope scope(ctx.workspace());
    const cuda_kernels::optimizer_table<T> table = {on_device(ctx, tensors),
                                                    on_device(ctx, std::span<index_t>(ends))};
    f(table, chunks);
  }
};

}  // namespace dsr1
