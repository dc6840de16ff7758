// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Packing answers: which rows act, what stands beside them.

#include "catch.hpp"

#include <dsr1/rl/experience.hpp>

using namespace dsr1;

namespace {

experience one(std::int32_t first, std::size_t prompt, std::size_t answer, bool ended) {
  experience e;
  for (std::size_t i = 0; i < prompt; ++i) e.prompt.push_back(first++);
  for (std::size_t i = 0; i < answer; ++i) e.answer.push_back(first++);
  e.ended = ended;
  for (std::size_t i = 0; i < answer; ++i) {
    e.log_probability.push_back(-static_cast<double>(i) - 1);
    e.advantage.push_back(10 + static_cast<double>(i));
    e.reward.push_back(static_cast<double>(i));
  }
  if (ended) e.weight.assign(answer, 2);
  return e;
}

}  // namespace

TEST_CASE("experience: rows predict the tokens of the answer, and a cut answer has a row more") {
  packed_answers<float> packed;
  packed.append(one(100, 3, 2, true));   // 100 101 102 | 103 104
  packed.append(one(200, 1, 3, false));  // 200 | 201 202 203
  const policy_batch<float> b = packed.batch();
  const std::vector<std::int32_t> inputs(b.tokens.ids.data, b.tokens.ids.data + 8),
      targets(b.targets.data, b.targets.data + 8);
  CHECK(b.tokens.ids.rows() == 8);
  CHECK(inputs == std::vector<std::int32_t>{100, 101, 102, 103, 200, 201, 202, 203});
  CHECK(targets == std::vector<std::int32_t>{-1, -1, 103, 104, 201, 202, 203, -1});
  REQUIRE(b.tokens.sequences.count() == 2);
  CHECK(b.tokens.sequences[1].begin == 4);
  CHECK(b.tokens.sequences[1].length == 4);
  REQUIRE(b.answers.size() == 2);
  CHECK(b.answers[1].begin == 2);
  CHECK(b.answers[1].size == 3);
  CHECK(b.advantage[2] == 10);
  CHECK(b.before[4] == -3);
  CHECK(b.weight.size() == 5);
  CHECK(b.weight[1] == 2);
  CHECK(b.weight[2] == 1);
  CHECK(b.reference.empty());
  packed.clear();
  CHECK(packed.rows() == 0);
  CHECK(packed.batch().tokens.sequences.count() == 0);
}

TEST_CASE("experience: rewards and the penalty") {
  experience e = one(0, 1, 3, true);
  CHECK(e.total_reward() == 3);
  CHECK(e.net_reward(2) == 2);
  e.divergence = {1, 2, 4};
  e.penalty = 0.5;
  CHECK(e.net_reward(2) == 0);
  CHECK(e.total_reward() == 3);
}

TEST_CASE("experience: nothing to pack") {
  packed_answers<float> packed;
  experience e = one(0, 1, 1, true);
  e.answer.clear();
  CHECK(mentions(message_of([&] { packed.append(e); }), "1 and 0 tokens"));
}
