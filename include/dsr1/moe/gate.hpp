// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Gates: which experts a token goes to, and with which weights.
#pragma once

#include <dsr1/backend/routing_ops.hpp>
#include <dsr1/moe/score.hpp>
#include <dsr1/moe/select.hpp>

namespace dsr1 {

/// Scores for all experts, then the k best; the weights are the scores of the chosen.
///     s = score(logits), chosen = top-k of s + bias (inside the best groups),
///     w = scale s / (epsilon + sum of the chosen s)   or   w = scale s   without normalisation
/// The bias chooses and never weighs. Throws `error` when groups do not fit the experts. What works
/// on a token is constexpr in all gates, so that kernels can call it.
template <class Score>
struct top_k_gate {
  Score score = {};
  bool normalize = true;
  double scale = 1;
  double epsilon = 0;      ///< transformers adds 1e-20 in DeepSeek-V3; the paper does not
  index_t groups = 1;      ///< experts are cut into this many groups ...
  index_t top_groups = 1;  ///< ... of which so many take part
  group_score group_rule = group_score::best_two;

  template <class T>
  constexpr void route(std::span<const T> logits, std::span<const T> bias,
                       std::span<std::int32_t> index, std::span<T> weight,
                       std::span<T> scratch) const {
    const std::size_t experts = logits.size();
    const std::span<T> s = scratch.first(experts), biased = scratch.subspan(experts, experts);
    score.forward(logits, s);
    for (std::size_t i = 0; i < experts; ++i) biased[i] = bias.empty() ? s[i] : s[i] + bias[i];
    if (groups > 1)
      select_top_in_groups<T>(biased, groups, top_groups, group_rule, index, weight);
    else
      select_top<T>(biased, index, weight);
    T sum = 0;
    for (std::size_t j = 0; j < index.size(); ++j)
      sum += weight[j] = s[static_cast<std::size_t>(index[j])];
    const T factor = static_cast<T>(scale) / (normalize ? total(sum) : T(1));
    for (T& w : weight) w *= factor;
  }

  template <class T>
  constexpr void route_backward(std::span<const T> logits, std::span<const T>,
                                std::span<const std::int32_t> index, std::span<const T>,
                                std::span<const T> dweight, std::span<T> dlogits,
                                std::span<T> scratch) const {
    const std::size_t experts = logits.size();
    const std::span<T> s = scratch.first(experts), ds = scratch.subspan(experts, experts);
    score.forward(logits, s);
    std::fill(ds.begin(), ds.end(), T(0));
    T sum = 0, projection = 0;
    for (std::size_t j = 0; j < index.size(); ++j) {
      const T chosen = s[static_cast<std::size_t>(index[j])];
      sum += chosen;
      projection += dweight[j] * chosen;
    }
    sum = total(sum);
    for (std::size_t j = 0; j < index.size(); ++j)
      ds[static_cast<std::size_t>(index[j])] =
          static_cast<T>(scale) * (normalize ? (dweight[j] - projection / sum) / sum : dweight[j]);
    std::fill(dlogits.begin(), dlogits.end(), T(0));
    score.backward(logits, std::span<const T>(s), std::span<const T>(ds), dlogits);
  }

  template <class T>
  constexpr void affinities(std::span<const T> logits, std::span<T> p) const {
    score.forward(logits, p);
    const T sum = total(std::accumulate(p.begin(), p.end(), T(0)));
    for (T& v : p) v /= sum;
  }

  template <class T>
  constexpr void affinities_backward(std::span<const T> logits, std::span<const T> p,
                                     std::span<const T> dp, std::span<T> dlogits,
                                     std::span<T> scratch) const {
    // p = s / sum(s): ds_i = (dp_i - sum_j dp_j p_j) / sum(s)
    const std::size_t experts = logits.size();
    const std::span<T> s = scratch.first(experts), ds = scratch.subspan(experts, experts);
    score.forward(logits, s);
    const T sum = total(std::accumulate(s.begin(), s.end(), T(0)));
    const T projection = std::inner_product(p.begin(), p.end(), dp.begin(), T(0));
    for (std::size_t i = 0; i < experts; ++i) ds[i] = (dp[i] - projection) / sum;
    score.backward(logits, std::span<const T>(s), std::span<const T>(ds), dlogits);
  }

  void check(index_t experts, index_t top_k) const {
    expects(groups >= 1 && groups <= 64 && experts % groups == 0, "the gate has ", groups,
            " groups, expected 1 to 64 and a divisor of the ", experts, " experts");
    expects(top_groups >= 1 && top_groups <= groups, "the gate keeps ", top_groups,
            " groups, expected 1 to ", groups);
    expects(top_k <= top_groups * (experts / groups), "top_k is ", top_k, ", but ", top_groups,
            " groups of ", experts / groups, " experts leave only ",
            top_groups * (experts / groups));
  }

 private:
  /// The divisor of the weights; above zero even when all scores have underflowed.
  template <class T>
  constexpr T total(T sum) const {
    return std::max(sum + static_cast<T>(epsilon), std::numeric_limits<T>::min());
  }
};

/// Top-k of the logits, then softmax over the chosen (gpt-oss). The same weights as
/// `softmax_gate`, computed without the sum over all experts.
struct top_k_softmax_gate {
  /// The bias takes part in the weights too. Then a trained bias is a bias of the router, and the
  /// model can be stored as a gpt-oss checkpoint, which has no bias that only chooses.
  bool weigh_with_bias = false;

  template <class T>
  constexpr void route(std::span<const T> logits, std::span<const T> bias,
                       std::span<std::int32_t> index, std::span<T> weight,
                       std::span<T> scratch) const {
    const std::span<T> biased = scratch.first(logits.size());
    for (std::size_t i = 0; i < logits.size(); ++i)
      biased[i] = bias.empty() ? logits[i] : logits[i] + bias[i];
    select_top<T>(biased, index, weight);
    for (std::size_t j = 0; j < index.size(); ++j) {
      const auto i = static_cast<std::size_t>(index[j]);
      weight[j] = weigh_with_bias ? biased[i] : logits[i];
    }
    const std::span<T> chosen = scratch.first(index.size());
    std::copy(weight.begin(), weight.end(), chosen.begin());
    softmax_score().forward(std::span<const T>(chosen), weight);
  }

  template <class T>
  constexpr void route_backward(std::span<const T>, std::span<const T>,
                                std::span<const std::int32_t> index, std::span<const T> weight,
                                std::span<const T> dweight, std::span<T> dlogits,
                                std::span<T>) const {
    const T mean = std::inner_product(weight.begin(), weight.end(), dweight.begin(), T(0));
    std::fill(dlogits.begin(), dlogits.end(), T(0));
    for (std::size_t j = 0; j < index.size(); ++j)
      dlogits[static_cast<std::size_t>(index[j])] = weight[j] * (dweight[j] - mean);
  }

  template <class T>
  constexpr void affinities(std::span<const T> logits, std::span<T> p) const {
    softmax_score().forward(logits, p);
  }
  template <class T>
  constexpr void affinities_backward(std::span<const T> logits, std::span<const T> p,
                                     std::span<const T> dp, std::span<T> dlogits,
                                     std::span<T>) const {
    softmax_score().backward(logits, p, dp, dlogits);
  }

  void check(index_t, index_t) const {}
};

using softmax_gate = top_k_gate<softmax_score>;  ///< Mixtral, Qwen3-MoE, DeepSeek-V2
using sigmoid_gate = top_k_gate<sigmoid_score>;  ///< DeepSeek-V3
using sqrt_softplus_gate = top_k_gate<sqrt_softplus_score>;

static_assert(gate_policy<softmax_gate, float> && gate_policy<sigmoid_gate, double> &&
              gate_policy<top_k_softmax_gate, float>);

}  // namespace dsr1
