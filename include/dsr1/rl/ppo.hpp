// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Proximal policy optimization: advantages from a critic.
#pragma once

#include <dsr1/loss/gae.hpp>
#include <dsr1/loss/moments.hpp>
#include <dsr1/loss/policy_loss.hpp>
#include <dsr1/rl/algorithm.hpp>

namespace dsr1 {

/// The sum over ranks.
template <class Comm>
moments moments_of_all(Comm& comm, const moments& mine) {
  double sums[] = {mine.count, mine.sum, mine.square};
  comm.all_reduce(view<double, 1>(sums, 3));
  return {.count = sums[0], .sum = sums[1], .square = sums[2], .about = mine.about};
}

/// PPO (arXiv 1707.06347): clipped ratios, generalized advantage estimation over the tokens of an
/// answer, advantages whitened over the batch of all ranks. An answer that ended by itself is
/// followed by nothing; one that was cut by the critic's value of where it was cut.
struct ppo {
  static constexpr bool critic = true;
  index_t group = 1;
  clipped_objective objective = {};
  token_average average = token_average::token_mean;
  actor_options actor = {.entropy = 0.01};
  gae_options gae = {};
  bool whiten = true;

  template <class Comm>
  void advantages(std::span<experience> answers, Comm& comm) const {
    moments mine;
    std::vector<double> net;
    for (experience& e : answers) {
      net.resize(e.answer.size());
      for (std::size_t i = 0; i < net.size(); ++i) net[i] = e.net_reward(i);
      e.advantage.resize(net.size());
      e.returns.resize(net.size());
      dsr1::gae({.rewards = net, .values = e.value, .bootstrap = e.ended ? 0 : e.bootstrap}, gae,
                e.advantage, e.returns);
      mine += moments_of(e.advantage);
    }
    if (!whiten) return;
    const moments all = moments_of_all(comm, mine);
    for (experience& e : answers) dsr1::whiten(e.advantage, {}, all);
  }
};

}  // namespace dsr1
