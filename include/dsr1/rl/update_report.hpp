// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What happened in one update of reinforcement learning.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include <dsr1/rl/task.hpp>

namespace dsr1 {

/// All of it is the same on every rank, but for the seconds. Means are over answers or tokens of
/// all ranks.
struct update_report {
  index_t update = 0;                  ///< from 1
  index_t answers = 0, tokens = 0;     ///< tokens of answers
  std::array<double, 3> reached = {};  ///< share of answers that reach each level, by itself
  double reward = 0;                   ///< of an answer, without the penalty
  double length = 0;                   ///< tokens of an answer
  double cut = 0;                      ///< share of answers cut at the length limit
  double dead_groups = 0;              ///< share of groups whose answers all have one reward
  /// The least share of answers that must have gained a lower level while a higher one was lost,
  /// against the mean of the last ten updates or so: a sign that the reward is being hacked.
  double hacking = 0;
  double kl = 0;       ///< exact KL(policy || reference) per token, when sampled
  double penalty = 0;  ///< its coefficient
  double entropy = 0;  ///< exact, per token, when sampled
  double change = 0;   ///< KL(before || policy) per token, by k3, over the last epoch
  double ratio = 0, ratio_variance = 0;  ///< of pi / pi_before, over all epochs
  double clipped = 0;             ///< share of tokens where the clip decides, over all epochs
  double explained_variance = 0;  ///< of the returns, by the critic
  double value_loss = 0;
  double loss = 0, gradient_norm = 0;  ///< means over the steps
  double max_violation = 0;            ///< worst MaxVio of the steps
  bool skipped = false;                ///< no answer differed from the others: nothing to learn
  double sampling_s = 0, judging_s = 0, scoring_s = 0, learning_s = 0;

  /// Names and numbers for a log, in a fixed order.
  std::vector<std::pair<std::string, double>> numbers() const {
    std::vector<std::pair<std::string, double>> out = {{"answers", static_cast<double>(answers)},
                                                       {"tokens", static_cast<double>(tokens)}};
    for (std::size_t l = 0; l < reached.size(); ++l)
      out.emplace_back("reached_" + std::string(level_names[l]), reached[l]);
    const std::pair<const char*, double> rest[] = {{"reward", reward},
                                                   {"length", length},
                                                   {"cut", cut},
                                                   {"dead_groups", dead_groups},
                                                   {"hacking", hacking},
                                                   {"kl", kl},
                                                   {"penalty", penalty},
                                                   {"entropy", entropy},
                                                   {"change", change},
                                                   {"ratio", ratio},
                                                   {"ratio_variance", ratio_variance},
                                                   {"clipped", clipped},
                                                   {"explained_variance", explained_variance},
                                                   {"value_loss", value_loss},
                                                   {"loss", loss},
                                                   {"gradient_norm", gradient_norm},
                                                   {"max_violation", max_violation},
                                                   {"skipped", skipped ? 1.0 : 0.0},
                                                   {"sampling_s", sampling_s},
                                                   {"judging_s", judging_s},
                                                   {"scoring_s", scoring_s},
                                                   {"learning_s", learning_s}};
    for (const auto& [name, value] : rest) out.emplace_back(name, value);
    return out;
  }
};

}  // namespace dsr1
