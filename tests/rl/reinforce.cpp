// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Updates: learning, state, errors, what is logged.

#include "catch.hpp"
#include "rl/rl_run.hpp"

using namespace dsr1;
using rl_run::run;

namespace {

template <class Algorithm>
void learns(const Algorithm& algorithm, reinforce_options options, index_t updates) {
  context<cpu> ctx({.threads = 2, .seed = 1});
  options.seed = 1;
  run<Algorithm> r(ctx, algorithm, options);
  const update_report first = r.learn.update(1e-2);
  update_report last;
  for (index_t i = 1; i < updates; ++i) last = r.learn.update(1e-2);
  const evaluation_report after = r.learn.evaluate(split::test, 40);
  CHECK(first.reward < 0.15);
  CHECK(first.kl == Approx(0).margin(1e-6));  // the policy is still the reference
  CHECK(last.reward > 0.5);
  CHECK(last.reached[0] > 0.8);
  CHECK(last.kl > 0.1);
  CHECK((last.skipped || last.ratio == Approx(1).margin(0.3)));
  CHECK(last.answers == 64);
  CHECK(last.update == updates);
  CHECK(after.reached[0] > 0.8);
  CHECK(after.prompts.size() == 40);
  CHECK(after.answers.size() == 40);
}

}  // namespace

TEST_CASE("reinforce: PPO learns from rewards alone") { learns(ppo{}, {.prompts = 64}, 30); }
TEST_CASE("reinforce: GRPO does, too") { learns(grpo{}, {.prompts = 8}, 30); }
