// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The objectives of policy optimization: PPO, GRPO, DAPO, GSPO, CISPO and what lies between.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

#include <dsr1/core/error.hpp>
#include <dsr1/loss/divergence.hpp>
#include <dsr1/loss/policy_tokens.hpp>

namespace dsr1 {

/// Throws `error` unless the answers lie one after another and hold all tokens, all spans have one
/// number per token (`reference` may be empty unless `needs_reference`), and all are finite.
inline void check_policy_tokens(const policy_tokens& tokens, std::span<const double> slope,
                                bool needs_reference) {
  index_t end = 0;
  for (const answer_range& a : tokens.answers) {
    expects(a.begin == end && a.size >= 0, "an answer of ", a.size, " tokens begins at token ",
            a.begin, ", expected ", end);
    end += a.size;
  }
  const std::size_t n = tokens.size();
  expects(static_cast<std::size_t>(end) == n, "the answers hold ", end, " tokens, expected ", n);
  const auto check = [n](const char* what, std::span<const double> x) {
    expects(x.size() == n, x.size(), " numbers of ", what, " for ", n, " tokens");
    for (std::size_t t = 0; t < n; ++t)
      expects(std::isfinite(x[t]), "the ", what, " of token ", t, " is ", x[t],
              ", expected a finite number");
  };
  check("log-probability", tokens.log_probability);
  check("log-probability before", tokens.before);
  check("advantage", tokens.advantage);
  check("weight", tokens.weight);
  if (needs_reference || !tokens.reference.empty())
    check("log-probability of the reference", tokens.reference);
  expects(slope.size() == n, slope.size(), " slopes for ", n, " tokens");
}

/// A ratio of probabilities, exp(log ratio), and its derivative by the logarithm. The logarithm is
/// kept within +-largest_log_ratio; outside the derivative is 0.
struct probability_ratio {
  double value = 1;
  double slope = 1;

  static probability_ratio of(double log_ratio) {
    const double bounded = std::clamp(log_ratio, -largest_log_ratio, largest_log_ratio);
    const double e = std::exp(bounded);
    return {e, bounded == log_ratio ? e : 0};
  }
};

/// coefficient * (estimator of KL(policy || reference)) per token; needs `reference`.
struct reference_penalty {
  double coefficient = 0;
  kl_estimator estimator = kl_estimator::k3;

  bool on() const { return coefficient != 0; }

  /// The weighted penalty of a token, whose derivative is added to slope.
  double add(const policy_tokens& tokens, std::size_t t, double& slope,
             policy_statistics& statistics) const {
    if (!on()) return 0;
    const kl_estimate k =
        estimate_divergence(estimator, tokens.log_probability[t], tokens.reference[t]);
    statistics.divergence += k.value;
    slope += tokens.weight[t] * coefficient * k.slope;
    return tokens.weight[t] * coefficient * k.value;
  }
};

/// Adds to ratio, ratio_squared, clipped and change what a token has to tell.
inline void count_token(const policy_tokens& tokens, std::size_t t, double ratio, bool clipped,
                        policy_statistics& statistics) {
  statistics.ratio += ratio;
  statistics.ratio_squared += ratio * ratio;
  statistics.clipped += clipped;
  statistics.change +=
      estimate_divergence(kl_estimator::k3, tokens.before[t], tokens.log_probability[t]).value;
}

/// Whether each token has a ratio of its own or the answer has one: exp(mean of the log ratios).
enum class ratio_of { token, sequence };

/// With r = pi / pi_before of a token (or of the answer) and A its advantage,
///     loss = max(-A min(r, cap), -A clip(r, 1 - low, 1 + high)) + penalty,
/// and where A < 0 at most -A dual (before the penalty). cap and dual are off at 0. Log ratios are
/// kept within +-20, outside which r is constant.
/// Adds ratio, ratio_squared, clipped, change and, with a penalty, divergence to the statistics;
/// tokens and entropy are the caller's to count.
/// Throws `error` on options out of range and on tokens that do not fit (see check_policy_tokens).
/// Papers: arXiv 1707.06347 (PPO), 1912.09729 (dual clip), 2402.03300 (GRPO: penalty k3),
/// 2503.14476 (DAPO: high above low), 2505.07291 (cap: two-sided clip), 2507.18071 (GSPO:
/// sequence).
struct clipped_objective {
  double low = 0.2;
  double high = 0.2;
  double dual = 0;  ///< above 1; 3 in the paper
  double cap = 0;   ///< above 1 + high
  ratio_of level = ratio_of::token;
  reference_penalty penalty = {};

  static constexpr clipped_objective dapo() { return {.high = 0.28}; }
  static constexpr clipped_objective gspo() {
    return {.low = 3e-4, .high = 4e-4, .level = ratio_of::sequence};
  }

  double operator()(const policy_tokens& tokens, std::span<double> slope,
                    policy_statistics& statistics) const {
    expects(low >= 0 && low < 1 && high >= 0, "clipped_objective: low is ", low, " and high ", high,
            ", expected 0 to 1 and 0 or more");
    expects(dual == 0 || dual > 1, "clipped_objective: dual is ", dual,
            ", expected 0 (off) or more than 1");
    expects(cap == 0 || cap > 1 + high, "clipped_objective: cap is ", cap,
            ", expected 0 (off) or more than ", 1 + high);
    check_policy_tokens(tokens, slope, penalty.on());
    double loss = 0;
    for (const answer_range& answer : tokens.answers) {
      const auto begin = static_cast<std::size_t>(answer.begin);
      const std::size_t end = begin + static_cast<std::size_t>(answer.size);
      const auto log_ratio = [&](std::size_t t) {
        return tokens.log_probability[t] - tokens.before[t];
      };
      probability_ratio whole;
      if (level == ratio_of::sequence) {
        const double n = std::max(1.0, static_cast<double>(answer.size));
        double sum = 0;
        for (std::size_t t = begin; t < end; ++t) sum += log_ratio(t);
        whole = probability_ratio::of(sum / n);
        whole.slope /= n;  // by the log ratio of one token
      }
      double shared = 0;  // the slope that every token of the answer has from all of them
      for (std::size_t t = begin; t < end; ++t) {
        const probability_ratio r =
            level == ratio_of::sequence ? whole : probability_ratio::of(log_ratio(t));
        const term x = of(r.value, tokens.advantage[t]);
        loss += tokens.weight[t] * x.loss;
        const double by_log_ratio = tokens.weight[t] * x.slope * r.slope;
        slope[t] = level == ratio_of::sequence ? 0 : by_log_ratio;
        shared += level == ratio_of::sequence ? by_log_ratio : 0;
        loss += penalty.add(tokens, t, slope[t], statistics);
        count_token(tokens, t, r.value, x.clipped, statistics);
      }
      for (std::size_t t = begin; t < end; ++t) slope[t] += shared;
    }
    return loss;
  }

 private:
  struct term {
    double loss, slope;  // and its derivative by r
    bool clipped;
  };
  term of(double r, double a) const {
    const bool capped = cap > 0 && r > cap;
    const double free = -a * (capped ? cap : r), bounded = -a * std::clamp(r, 1 - low, 1 + high);
    term x = {std::max(free, bounded), capped ? 0 : -a, bounded > free};
    if (x.clipped) x.slope = 0;
    if (dual > 0 && a < 0 && x.loss > -a * dual) x = {-a * dual, 0, x.clipped};
    return x;
  }
};

/// loss = -c A log pi with the constant c = min(pi / pi_before, cap): clipped importance weights
/// instead of clipped gradients, so every token keeps a gradient. Statistics, errors and penalty as
/// clipped_objective; `clipped` counts ratios above the cap. Paper: arXiv 2506.13585 (CISPO).
struct cispo_objective {
  double cap = 5;
  reference_penalty penalty = {};

  double operator()(const policy_tokens& tokens, std::span<double> slope,
                    policy_statistics& statistics) const {
    expects(cap > 0, "cispo_objective: cap is ", cap, ", expected more than 0");
    check_policy_tokens(tokens, slope, penalty.on());
    double loss = 0;
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      const double r = probability_ratio::of(tokens.log_probability[t] - tokens.before[t]).value;
      slope[t] = -tokens.weight[t] * std::min(r, cap) * tokens.advantage[t];
      loss += slope[t] * tokens.log_probability[t];
      loss += penalty.add(tokens, t, slope[t], statistics);
      count_token(tokens, t, r, r > cap, statistics);
    }
    return loss;
  }
};

static_assert(policy_objective<clipped_objective> && policy_objective<cispo_objective>);

}  // namespace dsr1
