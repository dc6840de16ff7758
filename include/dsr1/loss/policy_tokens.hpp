// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What a policy objective sees of sampled answers, and what it gives back.
#pragma once

#include <concepts>
#include <span>
#include <vector>

#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

/// The tokens of one answer among those of several: [begin, begin + size).
struct answer_range {
  index_t begin = 0;
  index_t size = 0;
};

/// The tokens of whole answers, one after another, prompts and padding left out; natural logarithms
/// of the probabilities of the tokens that were sampled.
struct policy_tokens {
  std::span<const answer_range> answers;
  std::span<const double> log_probability;  ///< of the policy as it is
  std::span<const double> before;           ///< of the policy that sampled them
  std::span<const double> reference;        ///< of the reference model; empty without one
  std::span<const double> advantage;
  /// Of each token in the loss. They come from the numbers of tokens and answers of the whole
  /// batch, so that neither micro-batches nor ranks change what is computed.
  std::span<const double> weight;

  std::size_t size() const { return log_probability.size(); }
};

/// Sums over tokens, so that they can be added over micro-batches and ranks.
struct policy_statistics {
  double tokens = 0;
  double ratio = 0, ratio_squared = 0;  ///< of pi / pi_before
  double clipped = 0;                   ///< tokens where the clipped term is the larger
  double divergence = 0;                ///< exact KL(policy || reference), or the estimator's
  double entropy = 0;
  double change = 0;  ///< estimator k3 of KL(before || policy)

  policy_statistics& operator+=(const policy_statistics& o) {
    tokens += o.tokens;
    ratio += o.ratio;
    ratio_squared += o.ratio_squared;
    clipped += o.clipped;
    divergence += o.divergence;
    entropy += o.entropy;
    change += o.change;
    return *this;
  }
};

/// objective(tokens, slope, statistics) returns sum_t weight[t] loss[t], writes to slope[t] its
/// derivative by log_probability[t], and adds what it counted (ratio, clipped, change).
template <class F>
concept policy_objective = requires(const F& f, const policy_tokens& tokens,
                                    std::span<double> slope, policy_statistics& statistics) {
  { f(tokens, slope, statistics) } -> std::same_as<double>;
};

}  // namespace dsr1
