// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Log-probabilities, entropies and divergences of rows of logits on the CPU.
#pragma once

#include <algorithm>
#include <cmath>

#include <dsr1/backend/policy_ops.hpp>
#include <dsr1/cpu/loss_kernels.hpp>
#include <dsr1/cpu/policy_kernels.hpp>
#include <dsr1/cpu/tensor_ops.hpp>

namespace dsr1 {

/// The group `policy_ops` of the backend contract.
struct cpu_policy {
  template <class Ctx, class T>
  static void policy_rows(Ctx& ctx, view<const T, 2> logits, view<const T, 2> reference,
                          view<const std::int32_t, 1> actions, double inverse_temperature,
                          view<T, 1> log_probability, view<T, 1> entropy, view<T, 1> divergence) {
    expect_policy_rows(logits, reference, actions, inverse_temperature, log_probability, entropy,
                       divergence);
    for_each_row(ctx, logits, [&](auto instructions, index_t t) {
      log_probability[t] = entropy[t] = divergence[t] = 0;
      if (actions[t] < 0) return;
      const auto row = row_of<decltype(instructions)>(logits.row(t), row_or_null(reference, t),
                                                      logits.columns(), inverse_temperature);
      log_probability[t] = static_cast<T>(row.log_probability(logits(t, actions[t])));
      entropy[t] = static_cast<T>(row.entropy);
      divergence[t] = static_cast<T>(row.divergence);
    });
  }

  template <class Ctx, class T>
  static void policy_gradient_rows(Ctx& ctx, view<T, 2> logits, view<const T, 2> reference,
                                   view<const std::int32_t, 1> actions, double inverse_temperature,
                                   view<const T, 1> d_log_probability, view<const T, 1> d_entropy,
                                   view<const T, 1> d_divergence) {
    expect_policy_gradient_rows(logits, reference, actions, inverse_temperature, d_log_probability,
                                d_entropy, d_divergence);
    const index_t n = logits.columns();
    for_each_row(ctx, view<const T, 2>(logits), [&](auto instructions, index_t t) {
      using kernels = simd::policy_kernels<decltype(instructions)>;
      T* const x = logits.row(t);
      if (actions[t] < 0) {
        std::fill_n(x, n, T(0));
        return;
      }
      const auto row = row_of<decltype(instructions)>(
          static_cast<const T*>(x), row_or_null(reference, t), n, inverse_temperature);
      const double dl = d_log_probability[t], dh = d_entropy[t],
                   dd = reference.rows() > 0 ? d_divergence[t] : T(0);
      // By s_i: p_i (-dl - dh (log p_i + entropy) + dd (log p_i - log q_i - divergence)), and dl
      // more at the action. p_i = e_i / sum and log p_i = a (x_i - top) - log_sum (log q_i alike)
      // turn it into the kernel's three coefficients.
      const double scale = row.a / row.sum;
      const simd::policy_slopes<T> slopes = {
          static_cast<T>(scale * (-dl - dh * (row.entropy - row.log_sum) -
                                  dd * (row.divergence + row.log_sum - row.q_log_sum))),
          static_cast<T>(-scale * dh * row.a), static_cast<T>(scale * dd * row.a)};
      if (reference.rows() > 0)
        kernels::template gradient<true>(x, row.p.top, row.q, n, static_cast<T>(row.a), slopes);
      else
        kernels::template gradient<false>(x, row.p.top, row.q, n, static_cast<T>(row.a), slopes);
      x[actions[t]] += static_cast<T>(row.a * dl);
    });
  }

 private:
  template <class T>
  struct row_results {
    simd::row_below<T> p, q;
    double a = 1;  ///< the inverse temperature as the kernels use it
    double sum = 0, log_sum = 0, q_log_sum = 0, entropy = 0, divergence = 0;

    double log_probability(T logit) const {
      return a * static_cast<double>(logit - p.top) - log_sum;
    }
  };

  template <class Isa, class T>
  static row_results<T> row_of(const T* x, const T* reference, index_t n, double a) {
    using kernels = simd::policy_kernels<Isa>;
    row_results<T> row;
    const T factor = static_cast<T>(a);
    row.a = factor;
    row.p = {x, simd::loss_kernels<Isa>::largest(x, n)};
    if (reference) {
      row.q = {reference, simd::loss_kernels<Isa>::largest(reference, n)};
      row.q_log_sum = std::log(
          static_cast<double>(kernels::template sums<false>(row.q, {}, n, factor).exponentials));
    }
    const auto sums = reference ? kernels::template sums<true>(row.p, row.q, n, factor)
                                : kernels::template sums<false>(row.p, row.q, n, factor);
    row.sum = sums.exponentials;
    row.log_sum = std::log(row.sum);
    row.entropy = row.log_sum - row.a * static_cast<double>(sums.moment) / row.sum;
    if (reference)
      row.divergence =
          row.a * static_cast<double>(sums.difference) / row.sum + row.q_log_sum - row.log_sum;
    return row;
  }

  template <class T>
  static const T* row_or_null(view<const T, 2> m, index_t t) {
    return m.rows() > 0 ? m.row(t) : nullptr;
  }

  template <class Ctx, class T, class F>
  static void for_each_row(Ctx& ctx, view<const T, 2> logits, F&& f) {
    simd::dispatch<T>(ctx.device().instructions(), [&](auto instructions) {
      parallel_rows(ctx, logits.rows(), logits.columns(), [&](index_t first, index_t count) {
        for (index_t t = first; t < first + count; ++t) f(instructions, t);
      });
    });
  }
};

}  // namespace dsr1
