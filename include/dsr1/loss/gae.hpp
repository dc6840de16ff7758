// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Generalized advantage estimation: which token of an answer earned what came after it.
#pragma once

#include <cmath>
#include <span>

#include <dsr1/loss/moments.hpp>

namespace dsr1 {

struct gae_options {
  double gamma = 1;      ///< discount of a step
  double lambda = 0.95;  ///< 0: one step and the value (least variance); 1: all rewards (no bias)
};

/// One answer, token by token. All spans have one number per token or, where it says so, none.
struct gae_tokens {
  std::span<const double> rewards;
  std::span<const double> values;  ///< of the state in which the token was chosen
  /// Empty: all count. Tokens that do not (observations between actions, padding) are jumped over:
  /// the next value and the trace carry on to the action before.
  token_mask mask = {};
  token_mask done = {};       ///< nothing follows this token; empty: none
  token_mask truncated = {};  ///< an episode was cut off behind this token; empty: none
  std::span<const double> truncation_values = {};  ///< of the state it was cut off in
  double bootstrap = 0;  ///< value of the state behind the last token; 0 when the answer is ended
};

/// delta[t] = reward + gamma (not done) next value - value, where the next value is that of the
/// next token that counts, `bootstrap` behind the last, `truncation_values[t]` where truncated;
/// advantage[t] = delta[t] + gamma lambda (not done, not truncated) advantage[next];
/// returns[t] = advantage[t] + values[t]; both are 0 where a token does not count.
/// Throws `error` on spans of other lengths, on numbers that are not finite, on a reward at a token
/// that does not count (it would be lost), and on a token both done and truncated.
/// Paper: arXiv 1506.02438.
inline void gae(const gae_tokens& tokens, const gae_options& options, std::span<double> advantage,
                std::span<double> returns) {
  const std::size_t n = tokens.rewards.size();
  const auto fits = [n](const char* what, std::size_t size, bool may_be_empty) {
    expects(size == n || (may_be_empty && size == 0), "gae: ", size, " ", what, ", expected ", n);
  };
  fits("values", tokens.values.size(), false);
  fits("advantages", advantage.size(), false);
  fits("returns", returns.size(), false);
  fits("marks of tokens that count", tokens.mask.size(), true);
  fits("marks of done", tokens.done.size(), true);
  fits("marks of truncated", tokens.truncated.size(), true);
  fits("truncation values", tokens.truncation_values.size(), tokens.truncated.empty());
  for (const double factor : {options.gamma, options.lambda})
    expects(factor >= 0 && factor <= 1, "gae: gamma is ", options.gamma, " and lambda ",
            options.lambda, ", expected 0 to 1");
  expects(std::isfinite(tokens.bootstrap), "gae: the bootstrap value is ", tokens.bootstrap);
  double next = tokens.bootstrap, trace = 0;
  for (std::size_t t = n; t-- > 0;) {
    const double reward = tokens.rewards[t], value = tokens.values[t];
    if (!counted(tokens.mask, t)) {
      expects(reward == 0, "gae: token ", t, " does not count, but its reward is ", reward,
              ", expected 0");
      advantage[t] = returns[t] = 0;
      continue;
    }
    const bool done = !tokens.done.empty() && tokens.done[t];
    const bool truncated = !tokens.truncated.empty() && tokens.truncated[t];
    expects(!(done && truncated), "gae: token ", t, " is done and truncated");
    if (truncated) next = tokens.truncation_values[t];
    expects(std::isfinite(reward) && std::isfinite(value) && std::isfinite(next), "gae: at token ",
            t, " the reward is ", reward, ", the value ", value, " and the next value ", next,
            ", expected finite numbers");
    if (done || truncated) trace = 0;
    trace =
        reward + options.gamma * (done ? 0 : next) - value + options.gamma * options.lambda * trace;
    advantage[t] = trace;
    returns[t] = trace + value;
    next = value;
  }
}

}  // namespace dsr1
