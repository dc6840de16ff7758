// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The loss of a critic: squared error of values, clipped around what the values were.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

#include <dsr1/core/error.hpp>

namespace dsr1 {

/// One number per token.
struct value_tokens {
  std::span<const double> value;    ///< of the critic as it is
  std::span<const double> before;   ///< of the critic that computed the advantages
  std::span<const double> returns;  ///< what the value should have been
  std::span<const double> weight;   ///< see token_weights.hpp; 0 where a token does not count
};

/// Sums over the tokens with a weight, to be added over micro-batches and ranks.
struct value_statistics {
  double tokens = 0;
  double clipped = 0;  ///< tokens where the clipped term is the larger
  double square = 0;   ///< of value - returns

  value_statistics& operator+=(const value_statistics& other) {
    tokens += other.tokens;
    clipped += other.clipped;
    square += other.square;
    return *this;
  }
};

/// loss[t] = 1/2 max((v - R)^2, (clip(v, before - clip, before + clip) - R)^2); a clip of 0 is off.
/// Returns sum_t weight[t] loss[t] and writes its derivative by value[t] to slope[t].
/// Throws `error` on spans of other lengths, a negative clip and numbers that are not finite.
/// Paper: arXiv 1707.06347 and the code beside it.
struct clipped_value_loss {
  double clip = 0.2;

  double operator()(const value_tokens& tokens, std::span<double> slope,
                    value_statistics& statistics) const {
    expects(clip >= 0, "clipped_value_loss: clip is ", clip, ", expected 0 (off) or more");
    const std::size_t n = tokens.value.size();
    expects(tokens.before.size() == n || (clip == 0 && tokens.before.empty()),
            "clipped_value_loss: ", tokens.before.size(), " values before, expected ", n);
    expects(tokens.returns.size() == n && tokens.weight.size() == n && slope.size() == n,
            "clipped_value_loss: ", tokens.returns.size(), " returns, ", tokens.weight.size(),
            " weights and ", slope.size(), " slopes, expected ", n);
    double loss = 0;
    for (std::size_t t = 0; t < n; ++t) {
      slope[t] = 0;
      const double w = tokens.weight[t];
      if (w == 0) continue;
      const double v = tokens.value[t], to = tokens.returns[t];
      const double around = clip > 0 ? tokens.before[t] : v;
      expects(std::isfinite(v) && std::isfinite(to) && std::isfinite(around) && std::isfinite(w),
              "clipped_value_loss: at token ", t, " the value is ", v, ", before ", around,
              ", the return ", to, " and the weight ", w, ", expected finite numbers");
      const double free = v - to, bounded = std::clamp(v, around - clip, around + clip) - to;
      const bool clipped = clip > 0 && bounded * bounded > free * free;
      const double error = clipped ? bounded : free;
      loss += w * error * error / 2;
      if (!clipped) slope[t] = w * free;  // the clipped value is a constant
      statistics.tokens += 1;
      statistics.clipped += clipped;
      statistics.square += free * free;
    }
    return loss;
  }
};

}  // namespace dsr1
