// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What an algorithm is: one of a user's own.

#include "catch.hpp"
#include "rl/rl_run.hpp"

using namespace dsr1;

namespace {

/// REINFORCE with the batch's mean as baseline.
struct plain_objective {
  double operator()(const policy_tokens& tokens, std::span<double> slope,
                    policy_statistics&) const {
    double loss = 0;
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      slope[t] = -tokens.weight[t] * tokens.advantage[t];
      loss += slope[t] * tokens.log_probability[t];
    }
    return loss;
  }
};

struct plain {
  static constexpr bool critic = false;
  index_t group = 1;
  plain_objective objective = {};
  token_average average = token_average::token_mean;
  actor_options actor = {.entropy = 0.01};

  template <class Comm>
  void advantages(std::span<experience> answers, Comm& comm) const {
    double sums[2] = {};
    for (const experience& e : answers) sums[0] += e.total_reward(), sums[1] += 1;
    comm.all_reduce(view<double, 1>(sums, 2));
    for (experience& e : answers)
      e.advantage.assign(e.answer.size(), e.total_reward() - sums[0] / sums[1]);
  }
};
static_assert(rl_algorithm<plain, loopback> && rl_algorithm<ppo, loopback> &&
              rl_algorithm<grpo, loopback>);

struct no_objective {
  static constexpr bool critic = false;
  index_t group = 1;
};
static_assert(!rl_algorithm<no_objective, loopback>);

}  // namespace

TEST_CASE("algorithm: one of a user's own learns") {
  context<cpu> ctx({.threads = 2, .seed = 1});
  rl_run::run<plain> r(ctx, {}, {.prompts = 64, .epochs = 1, .minibatches = 1, .seed = 1});
  const double before = r.learn.update(2e-2).reward;
  double after = 0;
  for (int i = 0; i < 30; ++i) after = r.learn.update(2e-2).reward;
  CHECK(before < 0.2);
  CHECK(after > 0.4);
}
