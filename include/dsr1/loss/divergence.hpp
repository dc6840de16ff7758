// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Estimators of a Kullback-Leibler divergence from the tokens that one policy sampled.
#pragma once

#include <algorithm>
#include <cmath>

#include <dsr1/core/error.hpp>

namespace dsr1 {

/// Logarithms of ratios of probabilities are kept within this before they are exponentiated.
inline constexpr double largest_log_ratio = 20;

/// Estimators of KL(p || q) at a token sampled from p, with k1 = log p - log q.
///   k1   log p - log q: unbiased, any sign; as a loss its gradient is 0 in expectation
///   k2   k1^2 / 2: biased, never negative; its gradient is that of the exact KL in expectation
///   k3   exp(-k1) - 1 + k1: unbiased, never negative; where -k1 exceeds `largest_log_ratio`, its
///        tangent there
///   absolute             |k1|
///   k3_straight_through  the value of k3 with the gradient of k2
/// Source: J. Schulman, "Approximating KL Divergence" (joschu.net/blog/kl-approx.html).
enum class kl_estimator { k1, k2, k3, absolute, k3_straight_through };

/// A number and its derivative by log p of the sampled token.
struct kl_estimate {
  double value = 0;
  double slope = 0;
};

inline kl_estimate estimate_divergence(kl_estimator which, double log_p, double log_q) {
  const double k1 = log_p - log_q;
  switch (which) {
    case kl_estimator::k1:
      return {k1, 1};
    case kl_estimator::k2:
      return {k1 * k1 / 2, k1};
    case kl_estimator::absolute:
      return {std::abs(k1), k1 > 0 ? 1.0 : k1 < 0 ? -1.0 : k1};
    case kl_estimator::k3:
    case kl_estimator::k3_straight_through: {
      const double bounded = std::min(largest_log_ratio, -k1);
      const double e = std::exp(bounded), beyond = -k1 - bounded;
      const double value = std::expm1(bounded) + k1 + e * beyond;
      return {value, which == kl_estimator::k3 ? -std::expm1(bounded) : k1};
    }
  }
  throw error(text("no estimator has the number ", static_cast<int>(which)));
}

}  // namespace dsr1
