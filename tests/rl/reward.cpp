// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Rewards: gates, places, annealing, answers that are cut.

#include <limits>
#include <numeric>

#include "catch.hpp"

#include <dsr1/rl/reward.hpp>

using namespace dsr1;

namespace {

double sum(const std::vector<double>& x) { return std::accumulate(x.begin(), x.end(), 0.0); }

const std::vector<index_t> ends = {1, 2, 4, 6, 6};  // five tokens, the last has no text

}  // namespace

TEST_CASE("reward: a level counts only above those that are reached, unless it is not gated") {
  verdict v;
  v.reached = {true, false, true};
  v.decided = {2, 4, 6};
  CHECK(sum(layered_reward({}, v, ends, true)) == Approx(0.2));
  CHECK(sum(layered_reward({.gated = false}, v, ends, true)) == Approx(0.7));
  v.reached = {false, true, true};
  CHECK(sum(layered_reward({}, v, ends, true)) == 0);
  v.reached = {true, true, true};
  CHECK(sum(layered_reward({}, v, ends, true)) == Approx(1));
}

TEST_CASE("reward: the last token, or the one with which the level can be told") {
  verdict v;
  v.reached = {true, true, true};
  v.decided = {2, 3, 6};
  CHECK(layered_reward({}, v, ends, true) == std::vector<double>{0, 0, 0, 0, 1});
  CHECK(layered_reward({.where = credit::when_decided}, v, ends, true) ==
        std::vector<double>{0, 0.2, 0.3, 0, 0.5});
  // A level that can be told before the one below it has to wait for that.
  v.decided = {6, 1, 6};
  CHECK(layered_reward({.where = credit::when_decided}, v, ends, true) ==
        std::vector<double>{0, 0, 0, 0, 1});
  CHECK(layered_reward({.gated = false, .where = credit::when_decided}, v, ends, true) ==
        std::vector<double>{0.3, 0, 0, 0, 0.7});
  v.decided = {0, 0, 99};  // nothing to read; beyond the text: first and last token
  CHECK(layered_reward({.where = credit::when_decided}, v, ends, true) ==
        std::vector<double>{0.5, 0, 0, 0, 0.5});
}

TEST_CASE("reward: annealing moves the lower weights to the task") {
  const reward_options o{.anneal = 10};
  CHECK(weights_at(o, 0) == o.weights);
  CHECK(weights_at(o, 5)[0] == Approx(0.1));
  CHECK(weights_at(o, 5)[2] == Approx(0.75));
  CHECK(weights_at(o, 10) == std::array<double, 3>{0, 0, 1});
  CHECK(weights_at(o, 99) == std::array<double, 3>{0, 0, 1});
  CHECK(weights_at({}, 99) == reward_options{}.weights);
}

TEST_CASE("reward: an answer that is cut, one without tokens, weights that are not finite") {
  const verdict none;
  CHECK(layered_reward({.cut = -0.5}, none, ends, false).back() == -0.5);
  CHECK(layered_reward({.cut = -0.5}, none, ends, true).back() == 0);
  CHECK(layered_reward({}, none, {}, true).empty());
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(mentions(message_of([&] {
                   layered_reward({.weights = {0, nan, 1}}, none, ends, true);
                 }),
                 "weight of level logic is nan", "finite"));
  CHECK(mentions(message_of([&] { layered_reward({.cut = nan}, none, ends, true); }), "cut nan"));
}
