// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The published balancing: its own example, both policies, ties, and what it refuses.

#include <limits>

#include "catch.hpp"

#include <dsr1/core/random.hpp>
#include <dsr1/moe/eplb.hpp>

using namespace dsr1;

namespace {

// The example of github.com/deepseek-ai/EPLB.
const std::vector<float> example = {90, 132, 40,  61, 104, 165, 39,  4,   73,  56, 183, 86,
                                    20, 107, 104, 64, 19,  197, 187, 157, 172, 86, 16,  27};

view<const float, 2> rows(const std::vector<float>& v, index_t layers) {
  return view<const float, 2>(v.data(), layers, static_cast<index_t>(v.size()) / layers);
}

/// mean / max of the load of the gpus, replicas sharing evenly.
double balancedness(const expert_map& m, view<const float, 2> load, index_t layer, index_t gpus) {
  std::vector<double> sum(static_cast<std::size_t>(gpus));
  double total = 0, most = 0;
  for (index_t p = 0; p < m.replicas; ++p) {
    const index_t e = m.layer(layer)[static_cast<std::size_t>(p)];
    const double each =
        static_cast<double>(load(layer, e)) /
        static_cast<double>(m.count[static_cast<std::size_t>(layer * m.experts + e)]);
    sum[static_cast<std::size_t>(p / (m.replicas / gpus))] += each;
    total += each;
  }
  for (const double s : sum) most = std::max(most, s);
  return total / static_cast<double>(gpus) / most;
}

/// Every expert is there, and the three tables say the same.
void check_consistent(const expert_map& m) {
  for (index_t l = 0; l < m.layers; ++l)
    for (index_t e = 0; e < m.experts; ++e) {
      const index_t n = m.count[static_cast<std::size_t>(l * m.experts + e)];
      CHECK(n >= 1);
      for (index_t i = 0; i < m.most; ++i) {
        const index_t p = m.log2phy[static_cast<std::size_t>((l * m.experts + e) * m.most + i)];
        if (i < n)
          CHECK(m.layer(l)[static_cast<std::size_t>(p)] == e);
        else
          CHECK(p == -1);
      }
    }
}

}  // namespace

TEST_CASE("eplb: the published example") {
  const auto load = rows(example, 2);
  const expert_map m = rebalance_experts(load, 16, 4, 2, 8);
  CHECK(m.phy2log == std::vector<index_t>{5, 6,  5, 7, 8, 4,  3, 4, 10, 9, 10, 2, 0, 1, 11, 1,
                                          7, 10, 6, 8, 6, 11, 8, 9, 2,  4, 5,  1, 5, 0, 3,  1});
  check_consistent(m);
  CHECK(m.most == 2);
  CHECK(balancedness(m, load, 0, 8) == Approx(0.828).margin(5e-4));
  CHECK(balancedness(m, load, 1, 8) == Approx(0.805).margin(5e-4));
}

TEST_CASE("eplb: the global policy, when the nodes do not divide the groups") {
  const auto load = rows(example, 2);
  const expert_map m = rebalance_experts(load, 16, 4, 3, 8);
  const expert_map one = rebalance_experts(load, 16, 1, 1, 8);
  CHECK(m.phy2log == one.phy2log);
  check_consistent(m);
  // By hand, layer 0: the extra replicas go to 10 (183), 5 (165), 1 (132) and 4 (104).
  CHECK(std::vector<index_t>(m.count.begin(), m.count.begin() + 12) ==
        std::vector<index_t>{1, 2, 1, 1, 2, 2, 1, 1, 1, 1, 2, 1});
  CHECK(balancedness(m, load, 0, 8) > 0.9);
}

TEST_CASE("eplb: one slot per gpu keeps the order of the replicas") {
  const std::vector<float> load = {1, 9, 4, 4};
  const expert_map m = rebalance_experts(rows(load, 1), 6, 1, 1, 6);
  // Of 9 the first replica makes 4.5; the second goes there too (4.5 is more than 4).
  CHECK(m.phy2log == std::vector<index_t>{0, 1, 2, 3, 1, 1});
  CHECK(m.log2phy == std::vector<index_t>{0, -1, -1, 1, 4, 5, 2, -1, -1, 3, -1, -1});
}

TEST_CASE("eplb: random loads keep every promise") {
  const random_stream random(3);
  for (std::uint64_t trial = 0; trial < 20; ++trial) {
    std::vector<float> load(64);
    for (std::size_t i = 0; i < load.size(); ++i)
      load[i] = static_cast<float>(random.below(trial * 64 + i, 1000));
    const expert_map m = rebalance_experts(rows(load, 2), 48, 8, 4, 16);
    check_consistent(m);
    // All experts of a group lie on one node.
    for (index_t p = 0; p < 2 * 48; ++p)
      for (index_t q = 0; q < 48; ++q) {
        if (p / 48 != 0) continue;
        const index_t a = m.layer(1)[static_cast<std::size_t>(p)],
                      b = m.layer(1)[static_cast<std::size_t>(q)];
        if (a / 4 == b / 4) REQUIRE(p / 12 == q / 12);
      }
  }
}

TEST_CASE("eplb: errors") {
  const auto load = rows(example, 2);
  CHECK(
      mentions(message_of([&] { rebalance_experts(load, 15, 4, 2, 8); }), "15 replicas", "8 gpus"));
  CHECK(mentions(message_of([&] { rebalance_experts(load, 18, 4, 2, 9); }), "9 gpus", "2 nodes"));
  CHECK(mentions(message_of([&] { rebalance_experts(load, 16, 8, 2, 8); }), "12 experts",
                 "8 groups"));
  CHECK(mentions(message_of([&] { rebalance_experts(load, 8, 4, 2, 8); }), "8 replicas",
                 "12 experts"));
  CHECK(mentions(message_of([&] { rebalance_experts(load, 16, 4, 0, 8); }), "0 nodes"));
  std::vector<float> bad = example;
  bad[14] = std::numeric_limits<float>::quiet_NaN();
  CHECK(mentions(message_of([&] { rebalance_experts(rows(bad, 2), 16, 4, 2, 8); }),
                 "expert 2 in layer 1", "nan"));
  bad[14] = -1;
  CHECK(mentions(message_of([&] { rebalance_experts(rows(bad, 2), 16, 4, 2, 8); }), "is -1"));
}
