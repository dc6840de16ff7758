// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// From the levels that an answer reaches to a reward for each of its tokens.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include <dsr1/rl/task.hpp>

namespace dsr1 {

/// Where the credit for a level is given: at the last token, or at the one with which the level can
/// be told. The sum over the answer is the same, so the best answers are, too.
enum class credit { at_end, when_decided };

struct reward_options {
  std::array<double, 3> weights = {0.2, 0.3, 0.5};  ///< of syntax, logic, task
  bool gated = true;  ///< a level counts only when those below it are reached
  credit where = credit::at_end;
  /// Updates over which the weights of the lower levels go over to the task's; 0: they stay.
  index_t anneal = 0;
  double cut = 0;  ///< added to an answer that has no end
};

/// The weights at an update, counted from 0: with annealing, those of syntax and logic fall
/// linearly to zero and the task's rises by as much.
inline std::array<double, 3> weights_at(const reward_options& o, index_t update) {
  if (o.anneal <= 0) return o.weights;
  const double left =
      1 - std::min(1.0, static_cast<double>(update) / static_cast<double>(o.anneal));
  std::array<double, 3> w = o.weights;
  w[2] += (1 - left) * (w[0] + w[1]);
  w[0] *= left;
  w[1] *= left;
  return w;
}

/// reward[i] for every token of an answer; ends[i] is the number of bytes of the answer's text up
/// to and with token i, `ended` whether the last token is the end of the text (else it was cut at
/// the length limit). An answer without tokens has no reward.
/// Throws `error` when a weight is not a finite number.
inline std::vector<double> layered_reward(const reward_options& o, const verdict& v,
                                          std::span<const index_t> ends, bool ended,
                                          index_t update = 0) {
  const std::array<double, 3> weights = weights_at(o, update);
  std::vector<double> reward(ends.size(), 0.0);
  if (reward.empty()) return reward;
  index_t decided = 0;
  for (std::size_t l = 0; l < weights.size(); ++l) {
    expects(std::isfinite(weights[l]), "reward: the weight of level ", level_names[l], " is ",
            weights[l], ", expected a finite number");
    // A gated level can be told when those below can.
    decided = o.gated ? std::max(decided, v.decided[l]) : v.decided[l];
    if (!(o.gated ? v.reached_up_to(static_cast<level>(l)) : v.reached[l])) continue;
    // Decided by all of the text: by the token that ended it.
    const auto at = o.where == credit::at_end || decided >= ends.back()
                        ? ends.size() - 1
                        : static_cast<std::size_t>(
                              std::lower_bound(ends.begin(), ends.end(), decided) - ends.begin());
    reward[std::min(at, ends.size() - 1)] += weights[l];
  }
  expects(std::isfinite(o.cut), "reward: of an answer that is cut ", o.cut,
          ", expected a finite number");
  if (!ended) reward.back() += o.cut;
  return reward;
}

}  // namespace dsr1
