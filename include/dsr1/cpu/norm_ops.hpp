// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// RMSNorm on the CPU.
#pragma once

#include <cmath>

#include <dsr1/backend/norm_ops.hpp>
#include <dsr1/core/float16.hpp>
#include <dsr1/cpu/tensor_ops.hpp>
#include <dsr1/tensor/workspace.hpp>

namespace dsr1 {

/// The group `norm_ops` of the backend contract.
struct cpu_norm {
  template <class Ctx, class T>
  static void rms_norm(Ctx& ctx, view<const T, 2> x, view<const T, 1> weight, double eps,
                       norm_rounding rounding, view<T, 2> y, view<T, 1> inverse) {
    expect_rms_norm(x, weight, y, inverse);
    const index_t n = x.columns();
    simd::dispatch<T>(ctx.device().instructions(), [&](auto instructions) {
      using kernels = simd::row_kernels<decltype(instructions)>;
      parallel_rows(ctx, x.rows(), n, [&](index_t first, index_t count) {
        for (index_t t = first; t < first + count; ++t) {
          const T mean = kernels::dot(x.row(t), x.row(t), n) / static_cast<T>(n);
          inverse[t] = T(1) / std::sqrt(mean + static_cast<T>(eps));
          if (rounding == norm_rounding::none)
            kernels::normalise(x.row(t), weight.data, inverse[t], y.row(t), n);
          else
            rounded(x.row(t), weight.data, inverse[t], y.row(t), n, rounding);
        }
      });
    });
  }

  template <class Ctx, class T>
  static void rms_norm_backward(Ctx& ctx, view<const T, 2> dy, view<const T, 2> x,
                                view<const T, 1> weight, view<const T, 1> inverse, view<T, 2> dx,
                                view<T, 1> dweight, accumulate add) {
    expect_rms_norm_backward(dy, x, weight, inverse, dx, dweight);
    // Every chunk of rows has its own partial sum of dweight; they are added in order.
    constexpr index_t chunk = 128;
    const index_t n = x.columns(), chunks = ceil_div(x.rows(), chunk);
    const workspace::scope scope(ctx.workspace());
    const auto partial = ctx.template take<T>(chunks, weight.data ? n : 0);
    simd::dispatch<T>(ctx.device().instructions(), [&](auto instructions) {
      using kernels = simd::row_kernels<decltype(instructions)>;
      parallel_for(ctx, chunks, [&](index_t c, int) {
        T* const sum = weight.data ? partial.row(c) : nullptr;
        if (sum) std::fill_n(sum, n, T(0));
        for (index_t t = c * chunk; t < std::min((c + 1) * chunk, x.rows()); ++t) {
          const T r = inverse[t];
          const T projection = kernels::normalise_projection(dy.row(t), x.row(t), weight.data, n);
          kernels::normalise_backward(dy.row(t), x.row(t), weight.data, r,
                                      r * r * projection / static_cast<T>(n), dx.row(t), sum, n);
        }
      });
      if (!weight.data) return;
      if (add == accumulate::no) std::fill_n(dweight.data, n, T(0));
      for (index_t c = 0; c < chunks; ++c) kernels::add(partial.row(c), dweight.data, n);
    });
  }

 private:
  template <class T>
  static void rounded(const T* x, const T* weight, T inverse, T* y, index_t n,
                      norm_rounding rounding) {
    auto round = [](T v) {
      return static_cast<T>(static_cast<float>(bf16(static_cast<float>(v))));
    };
    for (index_t i = 0; i < n; ++i) {
      const T w = weight ? weight[i] : T(1);
      const T v = x[i] * inverse;
      y[i] = round(rounding == norm_rounding::before_weight ? w * round(v) : w * v);
    }
  }
};

}  // namespace dsr1
