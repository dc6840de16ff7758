// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Cross-entropy on the CPU.
#pragma once

#include <algorithm>
#include <cmath>

#include <dsr1/backend/loss_ops.hpp>
#include <dsr1/cpu/loss_kernels.hpp>
#include <dsr1/cpu/tensor_ops.hpp>

namespace dsr1 {

/// The group `loss_ops` of the backend contract.
struct cpu_loss {
  template <class Ctx, class T>
  static void cross_entropy_rows(Ctx& ctx, view<T, 2> logits, view<const std::int32_t, 1> targets,
                                 double scale, double z, logits_become become, view<T, 1> loss) {
    expect_cross_entropy_rows(logits, targets, loss);
    const index_t n = logits.columns();
    const bool gradient = become == logits_become::gradient;
    simd::dispatch<T>(ctx.device().instructions(), [&](auto instructions) {
      using kernels = simd::loss_kernels<decltype(instructions)>;
      parallel_rows(ctx, logits.rows(), n, [&](index_t first, index_t count) {
        for (index_t t = first; t < first + count; ++t) {
          T* const x = logits.row(t);
          const std::int32_t target = targets[t];
          loss[t] = 0;
          if (target < 0) {
            if (gradient) std::fill_n(x, n, T(0));
            continue;
          }
          const T wanted = x[target];
          const T top = kernels::largest(x, n);
          const T sum = kernels::sum_exp(x, n, top, gradient);
          const T lse = top + std::log(sum);
          loss[t] = lse - wanted + static_cast<T>(z) * lse * lse;
          if (!gradient) continue;
          const double slope = scale * (1 + 2 * z * static_cast<double>(lse));
          kernels::multiply(x, n, static_cast<T>(slope / static_cast<double>(sum)));
          x[target] -= static_cast<T>(scale);
        }
      });
    });
  }
};

}  // namespace dsr1
