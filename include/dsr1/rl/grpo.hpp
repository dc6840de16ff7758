// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Group-relative policy optimization: advantages from the other answers to a prompt.
#pragma once

#include <dsr1/loss/advantages.hpp>
#include <dsr1/loss/policy_loss.hpp>
#include <dsr1/rl/algorithm.hpp>
#include <dsr1/rl/ppo.hpp>

namespace dsr1 {

/// GRPO (arXiv 2402.03300): no critic; all tokens of an answer have the advantage of the answer's
/// reward (less the KL penalty, if the reward has one) over those of its group. As published the
/// distance from the reference is a term of the loss: `objective.penalty` (the estimator k3), or
/// `actor.divergence` (exact). Dr. GRPO, DAPO and GSPO are the same with other numbers.
struct grpo {
  static constexpr bool critic = false;
  index_t group = 8;
  clipped_objective objective = {};
  token_average average = token_average::sequence_mean;
  actor_options actor = {};
  advantage_options compare = {};

  /// No division by the deviation or by the answer's length (arXiv 2503.20783).
  static grpo dr_grpo() {
    return {.average = token_average::fixed_length, .compare = {.kind = advantage_kind::centered}};
  }
  /// Higher upper clip, mean over all tokens (arXiv 2503.14476).
  static grpo dapo() {
    return {.objective = clipped_objective::dapo(), .average = token_average::token_mean};
  }
  /// One ratio per answer (arXiv 2507.18071).
  static grpo gspo() { return {.objective = clipped_objective::gspo()}; }

  template <class Comm>
  void advantages(std::span<experience> answers, Comm& comm) const {
    std::vector<double> rewards;
    for (const experience& e : answers) {
      double sum = 0;
      for (std::size_t i = 0; i < e.answer.size(); ++i) sum += e.net_reward(i);
      rewards.push_back(sum);
    }
    const moments all = moments_of_all(comm, moments_of(rewards));
    const group_advantages a = advantages_of(rewards, group, compare, &all);
    for (std::size_t i = 0; i < answers.size(); ++i)
      answers[i].advantage.assign(answers[i].answer.size(), a.advantage[i]);
  }
};

}  // namespace dsr1
