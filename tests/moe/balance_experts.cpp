// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Placements that balance: valid for all counts, never worse, never more moves than allowed.

#include <cmath>
#include <limits>
#include <set>

#include "catch.hpp"

#include <dsr1/core/random.hpp>
#include <dsr1/moe/balance_experts.hpp>
#include <dsr1/moe/eplb.hpp>

using namespace dsr1;

namespace {

/// Loads as routers have them: a few heavy experts, many light ones.
std::vector<double> skewed(index_t experts, std::uint64_t seed) {
  const random_stream random(seed);
  std::vector<double> load;
  for (index_t e = 0; e < experts; ++e)
    load.push_back(std::floor(100 * std::exp(1.2 * random.normal(static_cast<std::uint64_t>(e)))));
  return load;
}

double mean_load(const placement& p, const std::vector<double>& load) {
  double sum = 0;
  for (const double l : load) sum += l;
  return sum / p.ranks();
}

}  // namespace

TEST_CASE("balance_experts: any counts give a valid placement with even slots") {
  std::uint64_t seed = 0;
  for (const index_t experts : {1, 3, 8, 13, 60})
    for (const int ranks : {1, 2, 3, 4, 7})
      for (const index_t extra : {0, 1, 5, 17}) {
        const index_t slots = experts + extra;
        if (slots < ranks || slots > experts * ranks) continue;
        const std::vector<double> load = skewed(experts, ++seed);
        // The constructor of placement checks that no rank has two replicas of one expert.
        const placement p = balanced_placement(load, ranks, slots);
        CHECK(p.slots() == slots);
        for (int r = 0; r < ranks; ++r)
          CHECK(static_cast<index_t>(p.held(r).size()) == share_size(slots, r, ranks));
      }
  CHECK(balanced_placement(std::vector<double>(4, 0.0), 2, 8).slots() == 8);  // all everywhere
}

TEST_CASE("balance_experts: as good as the published algorithm, without doubles on a rank") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const std::vector<double> load = skewed(32, seed);
    const std::vector<float> single(load.begin(), load.end());
    const expert_map m = rebalance_experts(
        view<const float, 2>(single.data(), index_t{1}, index_t{32}), 40, 1, 1, 8);
    std::vector<double> sum(8);
    for (std::size_t p = 0; p < 40; ++p) {
      const auto e = static_cast<std::size_t>(m.phy2log[p]);
      sum[p / 5] += load[e] / static_cast<double>(m.count[e]);
    }
    const double published = *std::max_element(sum.begin(), sum.end());
    const placement ours = balanced_placement(load, 8, 40);
    INFO("seed " << seed);
    CHECK(max_load(ours, load) <= 1.1 * published);
    CHECK(max_load(ours, load) < max_load(even_placement(32, 8), load));
  }
}

TEST_CASE("balance_experts: one overwhelming expert goes everywhere") {
  const std::vector<double> load = {1000, 1, 1, 1, 1, 1};
  const placement p = balanced_placement(load, 3, 8);
  CHECK(p.holders(0).size() == 3);
  CHECK(max_load(p, load) < 340);
}

TEST_CASE("improve_placement: never worse, never more moves, always valid") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    const index_t experts = 12 + static_cast<index_t>(seed % 9);
    const int ranks = 2 + static_cast<int>(seed % 5);
    const std::vector<double> load = skewed(experts, seed), live = skewed(experts, seed + 100);
    const placement now = seed % 2 ? even_placement(experts, ranks)
                                   : balanced_placement(load, ranks, experts + ranks);
    index_t room = 0;
    for (const auto& each : now.held()) room = std::max(room, static_cast<index_t>(each.size()));
    double last = max_load(now, live);
    for (const index_t moves : {0, 1, 2, 3, 5, 8, 100}) {
      const placement_proposal p = improve_placement(now, live, moves);
      INFO("seed " << seed << " moves " << moves);
      CHECK(p.before == max_load(now, live));
      CHECK(p.after == max_load(p.to, live));
      CHECK(p.after <= p.before);
      CHECK(p.moves == transfers(now, p.to));
      CHECK(p.moves <= moves);
      if (p.after == p.before) CHECK(p.to == now);
      for (const auto& each : p.to.held()) CHECK(static_cast<index_t>(each.size()) <= room);
      if (moves == 0) CHECK(p.to == now);
      if (moves == 100) CHECK(p.after <= last);
      CHECK(p.to.group() == now.group());
    }
    // Step by step, as one would live: it settles, near the mean.
    placement live_placement = now;
    for (int step = 0; step < 40; ++step) {
      const placement_proposal p = improve_placement(live_placement, live, 2);
      CHECK(p.after <= last);
      last = p.after;
      live_placement = p.to;
    }
    const double heaviest = *std::max_element(live.begin(), live.end());
    CHECK(last <= mean_load(now, live) + heaviest);
  }
}

TEST_CASE("improve_placement: finds the one move that helps") {
  // A replica of the heavy expert in the place of a spare one.
  const placement now(3, {{0, 1}, {1, 2}});
  const std::vector<double> load = {100, 10, 10};
  const placement_proposal p = improve_placement(now, load, 1);
  CHECK(p.moves == 1);
  CHECK(p.to.holders(0).size() == 2);
  CHECK(p.after == 60);
  // A swap costs two; with one move and no room nothing can be done.
  const placement full(4, {{0, 1}, {2, 3}});
  const std::vector<double> uneven = {10, 9, 2, 1};
  CHECK(improve_placement(full, uneven, 1).moves == 0);
  const placement_proposal swapped = improve_placement(full, uneven, 2);
  CHECK(swapped.moves == 2);
  CHECK(swapped.after == 11);
  // With room a hand-over does.
  const placement_proposal handed = improve_placement(full, uneven, 1, 3);
  CHECK(handed.moves == 1);
  CHECK(handed.after < 19);
}

TEST_CASE("balance_experts: errors") {
  const std::vector<double> load = {1, 2, 3};
  CHECK(mentions(message_of([&] { balanced_placement(load, 2, 2); }), "3 experts in 2 slots"));
  CHECK(mentions(message_of([&] { balanced_placement(load, 2, 7); }), "3 experts in 7 slots",
                 "one per pair"));
  CHECK(mentions(message_of([&] { balanced_placement(load, 4); }), "3 slots over 4 ranks"));
  const std::vector<double> bad = {1, std::numeric_limits<double>::infinity(), 3};
  CHECK(mentions(message_of([&] { balanced_placement(bad, 2); }), "expert 1 is inf"));
  const placement p = even_placement(3, 2);
  CHECK(mentions(message_of([&] { improve_placement(p, bad, 1); }), "expert 1 is inf"));
  CHECK(mentions(message_of([&] { improve_placement(p, load, -1); }), "-1 moves"));
  CHECK(mentions(message_of([&] { improve_placement(p, load, 1, 1); }), "room for 1", "holds 2"));
  CHECK(mentions(message_of([&] { rank_loads(p, std::vector<double>{1}); }), "1 experts",
                 "placement of 3"));
}
