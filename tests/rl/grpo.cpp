// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Advantages of GRPO and of what came after it.

#include "catch.hpp"

#include <dsr1/rl/grpo.hpp>

using namespace dsr1;

namespace {

std::vector<experience> answers() {
  std::vector<experience> all;
  for (const double r : {0.0, 1.0, 0.5, 0.5}) {
    experience e;
    e.answer.assign(3, 1);
    e.reward = {0, r / 2, r / 2};
    all.push_back(e);
  }
  return all;
}

}  // namespace

TEST_CASE("grpo: every token has the advantage of its answer in the group") {
  loopback comm;
  auto all = answers();
  grpo{.group = 2}.advantages(all, comm);
  const double deviation = std::sqrt(0.5) + 1e-4;
  CHECK(all[0].advantage == std::vector<double>(3, all[0].advantage[0]));
  CHECK(all[0].advantage[0] == Approx(-0.5 / deviation));
  CHECK(all[1].advantage[0] == Approx(0.5 / deviation));
  CHECK(all[2].advantage == std::vector<double>(3, 0.0));  // equal rewards say nothing
  all[3].divergence = {1, 1, 1};
  all[3].penalty = 0.1;  // unless one has left the reference
  grpo{.group = 2, .compare = {.kind = advantage_kind::centered}}.advantages(all, comm);
  CHECK(all[3].advantage[2] == Approx(-0.15));
}

TEST_CASE("grpo: the published kinds") {
  loopback comm;
  auto all = answers();
  grpo dr = grpo::dr_grpo();
  dr.group = 4;
  dr.advantages(all, comm);
  CHECK(all[1].advantage[0] == Approx(0.5));
  CHECK(dr.average == token_average::fixed_length);
  CHECK(grpo::dapo().objective.high == 0.28);
  CHECK(grpo::dapo().average == token_average::token_mean);
  CHECK(grpo::gspo().objective.level == ratio_of::sequence);
  CHECK(mentions(message_of([&] { grpo{.group = 3}.advantages(all, comm); }), "4 rewards",
                 "multiple of 3"));
}
