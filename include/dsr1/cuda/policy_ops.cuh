// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Log-probabilities, entropies and divergences of rows of logits on a CUDA device.
#pragma once

#include <cmath>

#include <dsr1/backend/policy_ops.hpp>
#include <dsr1/cuda/launch.cuh>
#include <dsr1/cuda/warp.cuh>

namespace dsr1 {

namespace cuda_kernels {

/// The threads of a row of logits.
inline constexpr int policy_block = 512;

/// With e_i = exp(a (x_i - top)) of the logits seen so far: sum e, sum e (x - top) and
/// sum e ((x - top) - (r - r_top)); and the sum of exp(a (r - r_top)). No sum has a factor of its
/// own, so that equal rows have equal sums, and a difference of exactly 0.
template <class T, bool Reference>
struct policy_sums {
  T a, top, r_top;
  T exponentials = 0, moment = 0, difference = 0, r_exponentials = 0;

  __device__ void add(T x, T r) {
    if (x > top || (Reference && r > r_top)) rebase(larger()(x, top), larger()(r, r_top));
    const T below = x - top, e = std::exp(a * below);
    exponentials += e;
    moment += e * below;
    if constexpr (Reference) {
      const T r_below = r - r_top;
      r_exponentials += std::exp(a * r_below);
      difference += e * (below - r_below);
    }
  }

  /// The same sums, relative to other tops.
  __device__ void rebase(T new_top, T new_r_top) {
    const T up = new_top - top, factor = std::exp(a * -up);
    if constexpr (Reference) {
      const T r_up = new_r_top - r_top;
      difference = factor * (difference + exponentials * (r_up - up));
      r_exponentials *= std::exp(a * -r_up);
      r_top = new_r_top;
    }
    moment = factor * (moment - exponentials * up);
    exponentials *= factor;
    top = new_top;
  }
};

/// The sums of a row, the same in all threads. All tops begin at the first logit, so that a thread
/// without logits has sums too, and only what is not finite makes them so.
template <bool Reference, class T>
__device__ policy_sums<T, Reference> policy_row(const T* x, const T* r, index_t n, T a) {
  policy_sums<T, Reference> row{a, x[0], Reference ? r[0] : T(0)};
#pragma unroll 4
  for (index_t i = static_cast<index_t>(threadIdx.x); i < n; i += policy_block)
    row.add(x[i], Reference ? r[i] : T(0));
  const T top = block_reduce<policy_block>(row.top, larger());
  const T r_top = Reference ? block_reduce<policy_block>(row.r_top, larger()) : T(0);
  row.rebase(top, r_top);
  row.exponentials = block_reduce<policy_block>(row.exponentials);
  row.moment = block_reduce<policy_block>(row.moment);
  if constexpr (Reference) {
    row.difference = block_reduce<policy_block>(row.difference);
    row.r_exponentials = block_reduce<policy_block>(row.r_exponentials);
  }
  return row;
}

/// What follows from the sums of a row; in double, by one thread.
struct policy_results {
  double log_sum, r_log_sum, entropy, divergence;

  template <class T, bool Reference>
  __device__ explicit policy_results(const policy_sums<T, Reference>& row)
      : log_sum(std::log(static_cast<double>(row.exponentials))), r_log_sum(0), divergence(0) {
    const double a = row.a, sum = row.exponentials;
    entropy = log_sum - a * static_cast<double>(row.moment) / sum;
    if constexpr (Reference) {
      r_log_sum = std::log(static_cast<double>(row.r_exponentials));
      divergence = a * static_cast<double>(row.difference) / sum + r_log_sum - log_sum;
    }
  }
};

/// A block per row, which reads the logits once.
template <bool Reference, class T>
__global__ void policy_rows(view<const T, 2> logits, view<const T, 2> reference,
                            view<const std::int32_t, 1> actions, T a, view<T, 1> log_probability,
                            view<T, 1> entropy, view<T, 1> divergence) {
  const index_t t = blockIdx.x, action = actions[t];
  if (action < 0) {  // the whole block
    if (threadIdx.x == 0) log_probability[t] = entropy[t] = divergence[t] = 0;
    return;
  }
  const T* const x = logits.row(t);
  const auto row =
      policy_row<Reference>(x, Reference ? reference.row(t) : nullptr, logits.columns(), a);
  if (threadIdx.x > 0) return;
  const policy_results results(row);
  log_probability[t] = static_cast<T>(
      static_cast<double>(a) * static_cast<double>(x[action] - row.top) - results.log_sum);
  entropy[t] = static_cast<T>(results.entropy);
  divergence[t] = static_cast<T>(results.divergence);
}

/// A block per row, which reads the logits twice and writes them once.
template <bool Reference, class T>
__global__ void policy_gradient_rows(view<T, 2> logits, view<const T, 2> reference,
                                     view<const std::int32_t, 1> actions, T a,
                                     view<const T, 1> d_log_probability, view<const T, 1> d_entropy,
                                     view<const T, 1> d_divergence) {
  const index_t t = blockIdx.x, action = actions[t], n = logits.columns();
  const auto first = static_cast<index_t>(threadIdx.x);
  T* const x = logits.row(t);
  if (action < 0) {  // the whole block
    for (index_t i = first; i < n; i += policy_block) x[i] = 0;
    return;
  }
  const T* const r = Reference ? reference.row(t) : nullptr;
  const auto row = policy_row<Reference>(static_cast<const T*>(x), r, n, a);
  // By s_i: p_i (-dl - dh (log p_i + entropy) + dd (log p_i - log q_i - divergence)), and dl more
  // at the action. p_i = e_i / sum and log p_i = a (x_i - top) - log_sum (log q_i alike) turn it
  // into e_i (constant + moment (x_i - top) + difference ((x_i - top) - (r_i - r_top))).
  __shared__ T constant, moment, difference;
  if (first == 0) {
    const policy_results of(row);
    const double inverse = a, scale = inverse / static_cast<double>(row.exponentials);
    const double dl = d_log_probability[t], dh = d_entropy[t],
                 dd = Reference ? static_cast<double>(d_divergence[t]) : 0.0;
    constant = static_cast<T>(scale * (-dl - dh * (of.entropy - of.log_sum) -
                                       dd * (of.divergence + of.log_sum - of.r_log_sum)));
    moment = static_cast<T>(-scale * dh * inverse);
    difference = static_cast<T>(scale * dd * inverse);
  }
  __syncthreads();
  const T at_action = a * d_log_probability[t];
#pragma unroll 4
  for (index_t i = first; i < n; i += policy_block) {
    const T below = x[i] - row.top;
    T slope = constant + moment * below;
    if constexpr (Reference) slope += difference * (below - (r[i] - row.r_top));
    x[i] = std::exp(a * below) * slope + (i == action ? at_action : T(0));
  }
}

}  // namespace cuda_kernels

/// The group `policy_ops` of the backend contract.
struct cuda_policy {
  template <class Ctx, class T>
  static void policy_rows(Ctx& ctx, view<const T, 2> logits, view<const T, 2> reference,
                          view<const std::int32_t, 1> actions, double inverse_temperature,
                          view<T, 1> log_probability, view<T, 1> entropy, view<T, 1> divergence) {
    expect_policy_rows(logits, reference, actions, inverse_temperature, log_probability, entropy,
                       divergence);
    launch(ctx, "policy_rows", logits.rows(), cuda_kernels::policy_block,
           reference.rows() > 0 ? cuda_kernels::policy_rows<true, T>
                                : cuda_kernels::policy_rows<false, T>,
           logits, reference, actions, static_cast<T>(inverse_temperature), log_probability,
           entropy, divergence);
  }

  template <class Ctx, class T>
  static void policy_gradient_rows(Ctx& ctx, view<T, 2> logits, view<const T, 2> reference,
                                   view<const std::int32_t, 1> actions, double inverse_temperature,
                                   view<const T, 1> d_log_probability, view<const T, 1> d_entropy,
                                   view<const T, 1> d_divergence) {
    expect_policy_gradient_rows(logits, reference, actions, inverse_temperature, d_log_probability,
                                d_entropy, d_divergence);
    launch(ctx, "policy_gradient_rows", logits.rows(), cuda_kernels::policy_block,
           reference.rows() > 0 ? cuda_kernels::policy_gradient_rows<true, T>
                                : cuda_kernels::policy_gradient_rows<false, T>,
           logits, reference, actions, static_cast<T>(inverse_temperature), d_log_probability,
           d_entropy, d_divergence);
  }
};

}  // namespace dsr1
