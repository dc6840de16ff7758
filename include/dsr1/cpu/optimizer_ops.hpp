// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Optimizer steps on the CPU: every number is read and written once.
#pragma once

#include <algorithm>

#include <dsr1/backend/optimizer_ops.hpp>
#include <dsr1/cpu/device.hpp>
#include <dsr1/cpu/optimizer_kernels.hpp>
#include <dsr1/tensor/workspace.hpp>

namespace dsr1 {

/// The group `optimizer_ops` of the backend contract.
struct cpu_optimizer {
  template <class T>
  using tensors_of = std::span<const optimizer_tensor<T>>;

  template <class Ctx, class T>
  static void adamw(Ctx& ctx, tensors_of<T> tensors, const adamw_numbers& a) {
    expect_states("adamw", tensors, 2);
    each_chunk(ctx, tensors,
               [&](auto kernels, const optimizer_tensor<T>& t, index_t first, index_t n) {
                 kernels.adamw(t.value + first, at(t.gradient, first), t.state[0] + first,
                               t.state[1] + first, n, a, t.rate, t.decay);
               });
  }

  template <class Ctx, class T>
  static void sgd(Ctx& ctx, tensors_of<T> tensors, const sgd_numbers& a) {
    expect_states("sgd", tensors, a.momentum != 0 ? 1 : 0);
    each_chunk(ctx, tensors,
               [&](auto kernels, const optimizer_tensor<T>& t, index_t first, index_t n) {
                 kernels.sgd(t.value + first, at(t.gradient, first), at(t.state[0], first), n, a,
                             t.rate, t.decay);
               });
  }

  template <class Ctx, class T>
  static void lion(Ctx& ctx, tensors_of<T> tensors, const lion_numbers& a) {
    expect_states("lion", tensors, 1);
    each_chunk(ctx, tensors,
               [&](auto kernels, const optimizer_tensor<T>& t, index_t first, index_t n) {
                 kernels.lion(t.value + first, at(t.gradient, first), t.state[0] + first, n, a,
                              t.rate, t.decay);
               });
  }

  template <class Ctx, class T>
  static void muon_momentum(Ctx& ctx, const optimizer_tensor<T>& one, const muon_numbers& a,
                            view<T, 1> update) {
    expect_muon_momentum(one, update);
    each_chunk(ctx, tensors_of<T>(&one, 1),
               [&](auto kernels, const auto& t, index_t first, index_t n) {
                 kernels.muon_momentum(at(t.gradient, first), t.state[0] + first,
                                       update.data + first, n, a);
               });
  }

  template <class Ctx, class T>
  static void apply_update(Ctx& ctx, const optimizer_tensor<T>& one, view<const T, 1> update,
                           double factor) {
    expect_apply_update(one, update);
    each_chunk(ctx, tensors_of<T>(&one, 1),
               [&](auto kernels, const auto& t, index_t first, index_t n) {
                 kernels.apply_update(t.value + first, update.data + first, n, 1 - t.rate * t.decay,
                                      t.rate * factor);
               });
  }

  template <class Ctx, class T>
  static void squared_norms(Ctx& ctx, tensors_of<T> tensors, std::span<double> norms) {
    expect_squared_norms(tensors, norms);
    const workspace::scope scope(ctx.workspace());
    const auto ends = chunk_ends(ctx, tensors);
    const index_t chunks = tensors.empty() ? 0 : ends[ends.rows() - 1];
    const auto partial = ctx.template take<double>(chunks);
    run(ctx, tensors, ends,
        [&](auto kernels, const optimizer_tensor<T>& t, index_t first, index_t n, index_t c) {
          partial[c] = t.gradient ? kernels.squared_norm(t.gradient + first, n) : 0;
        });
    index_t c = 0;
    for (std::size_t i = 0; i < tensors.size(); ++i)
      for (norms[i] = 0; c < ends[static_cast<index_t>(i)]; ++c) norms[i] += partial[c];
  }

 private:
  static constexpr index_t chunk = 32'768;

  template <class T>
  static T* at(T* p, index_t first) {
    return p ? p + first : nullptr;
  }

  template <class Ctx, class T>
  static view<index_t, 1> chunk_ends(Ctx& ctx, tensors_of<T> tensors) {
    const auto ends = ctx.template take<index_t>(static_cast<index_t>(tensors.size()));
    index_t end = 0;
    for (std::size_t i = 0; i < tensors.size(); ++i)
      ends[static_cast<index_t>(i)] = end += ceil_div(tensors[i].size, chunk);
    return ends;
  }

  /// f(kernels, tensor, first, count, chunk) over all chunks of all tensors, in parallel.
  template <class Ctx, class T, class F>
  static void run(Ctx& ctx, tensors_of<T> tensors, view<index_t, 1> ends, F&& f) {
    if (tensors.empty()) return;
    simd::dispatch<T>(ctx.device().instructions(), [&](auto instructions) {
      parallel_for(ctx, ends[ends.rows() - 1], [&](index_t c, int) {
        const index_t i = std::upper_bound(ends.begin(), ends.end(), c) - ends.begin();
        const auto& t = tensors[static_cast<std::size_t>(i)];
        const index_t first = (c - (i > 0 ? ends[i - 1] : 0)) * chunk;
        f(simd::optimizer_kernels<decltype(instructions)>{}, t, first,
          std::min(chunk, t.size - first), c);
      });
    });
  }

  template <class Ctx, class T, class F>
  static void each_chunk(Ctx& ctx, tensors_of<T> tensors, F&& f) {
    const workspace::scope scope(ctx.workspace());
    run(ctx, tensors, chunk_ends(ctx, tensors),
        [&](auto kernels, const optimizer_tensor<T>& t, index_t first, index_t n, index_t) {
          f(kernels, t, first, n);
        });
  }
};

}  // namespace dsr1
