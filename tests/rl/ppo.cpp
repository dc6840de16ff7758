// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Advantages of PPO: penalty, cut and ended answers, whitening over all ranks.

#include "catch.hpp"

#include <dsr1/comm/threads.hpp>
#include <dsr1/rl/ppo.hpp>

using namespace dsr1;

namespace {

experience answer(std::vector<double> reward, std::vector<double> value, bool ended) {
  experience e;
  e.answer.assign(reward.size(), 1);
  e.reward = std::move(reward);
  e.value = std::move(value);
  e.ended = ended;
  return e;
}

}  // namespace

TEST_CASE(
    "ppo: returns are rewards less the penalty, and go on with the critic where an answer was "
    "cut") {
  loopback comm;
  std::vector<experience> all = {answer({0, 0, 1}, {0.5, 0.25, 0.5}, true),
                                 answer({0, 1}, {0.5, 0.5}, false)};
  all[0].divergence = {1, 0, 2};
  all[0].penalty = 0.1;
  all[1].bootstrap = 4;
  const ppo plain{.gae = {.gamma = 1, .lambda = 1}, .whiten = false};
  plain.advantages(all, comm);
  CHECK(all[0].returns[0] == Approx(1 - 0.1 - 0.2));
  CHECK(all[0].returns[1] == Approx(1 - 0.2));
  CHECK(all[0].advantage[1] == Approx(1 - 0.2 - 0.25));
  CHECK(all[1].returns[0] == Approx(1 + 4));
  all[1].ended = true;  // now nothing follows
  plain.advantages(all, comm);
  CHECK(all[1].returns[0] == Approx(1));
  const ppo short_sighted{.gae = {.gamma = 1, .lambda = 0}, .whiten = false};
  short_sighted.advantages(all, comm);
  CHECK(all[1].advantage[0] == Approx(0.5 - 0.5));
}

TEST_CASE("ppo: whitened over the answers of all ranks") {
  std::vector<experience> all;
  for (int i = 0; i < 6; ++i) all.push_back(answer({0, 0.1 * i * i}, {0.3, 0.1 * i}, i % 2 == 0));
  std::vector<experience> together = all;
  loopback comm;
  ppo{}.advantages(together, comm);
  double sum = 0, square = 0;
  for (const experience& e : together)
    for (const double a : e.advantage) sum += a, square += a * a;
  CHECK(sum == Approx(0).margin(1e-12));
  CHECK(square / 12 == Approx(1).epsilon(1e-6));
  run_ranks(2, [&](rank_group& group) {
    std::vector<experience> mine;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (static_cast<int>(i % 2) == group.rank()) mine.push_back(all[i]);
    ppo{}.advantages(mine, group);
    for (std::size_t i = 0; i < mine.size(); ++i)
      for (std::size_t t = 0; t < 2; ++t)
        expects(
            std::abs(mine[i].advantage[t] -
                     together[2 * i + static_cast<std::size_t>(group.rank())].advantage[t]) < 1e-12,
            "another advantage on rank ", group.rank());
  });
}
