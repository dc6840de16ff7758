// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A plain gate for the battery: softmax over all experts, the k likeliest, their own probability.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

namespace battery {

/// Kernels call it, so its members are constexpr. Index choices beyond the number of experts are
/// left at -1, so that k may exceed it.
struct softmax_top_k {
  template <class T>
  constexpr void affinities(std::span<const T> logits, std::span<T> p) const {
    const T top = *std::max_element(logits.begin(), logits.end());
    T sum = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) sum += p[i] = std::exp(logits[i] - top);
    for (T& v : p) v /= sum;
  }
  /// dlogits += p (dp - <p, dp>)
  template <class T>
  constexpr void affinities_backward(std::span<const T> logits, std::span<const T> p,
                                     std::span<const T> dp, std::span<T> dlogits,
                                     std::span<T>) const {
    T mean = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) mean += p[i] * dp[i];
    for (std::size_t i = 0; i < logits.size(); ++i) dlogits[i] += p[i] * (dp[i] - mean);
  }
  template <class T>
  constexpr void route(std::span<const T> logits, std::span<const T> bias,
                       std::span<std::int32_t> index, std::span<T> weight,
                       std::span<T> scratch) const {
    const std::span<T> p = scratch.first(logits.size());
    affinities(logits, p);
    std::fill(index.begin(), index.end(), -1);
    for (std::size_t j = 0; j < index.size(); ++j) {
      weight[j] = 0;
      for (std::size_t e = 0; e < p.size(); ++e) {
        if (std::find(index.begin(), index.end(), static_cast<std::int32_t>(e)) != index.end())
          continue;
        auto value = [&](std::size_t i) { return p[i] + (bias.empty() ? T(0) : bias[i]); };
        if (index[j] < 0 || value(e) > value(static_cast<std::size_t>(index[j])))
          index[j] = static_cast<std::int32_t>(e);
      }
      if (index[j] >= 0) weight[j] = p[static_cast<std::size_t>(index[j])];
    }
  }
  template <class T>
  constexpr void route_backward(std::span<const T> logits, std::span<const T>,
                                std::span<const std::int32_t> index, std::span<const T>,
                                std::span<const T> dweight, std::span<T> dlogits,
                                std::span<T> scratch) const {
    const std::span<T> p = scratch.first(logits.size()), dp = scratch.subspan(logits.size());
    affinities(logits, p);
    std::fill(dp.begin(), dp.end(), T(0));
    std::fill(dlogits.begin(), dlogits.end(), T(0));
    for (std::size_t j = 0; j < index.size(); ++j)
      if (index[j] >= 0) dp[static_cast<std::size_t>(index[j])] = dweight[j];
    affinities_backward(logits, std::span<const T>(p), std::span<const T>(dp), dlogits, {});
  }
};

}  // namespace battery
