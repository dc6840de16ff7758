// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Minibatches: every answer once an epoch, on any number of ranks.

#include <numeric>
#include <set>

#include "catch.hpp"

#include <dsr1/rl/minibatches.hpp>

using namespace dsr1;

TEST_CASE("minibatches: an order is a permutation that follows from seed and epoch") {
  for (const index_t n : {0, 1, 2, 7, 1000}) {
    const auto a = shuffled_answers(n, 1, 0);
    CHECK(a.size() == static_cast<std::size_t>(n));
    CHECK(std::set<index_t>(a.begin(), a.end()).size() == a.size());
    CHECK(a == shuffled_answers(n, 1, 0));
    if (n < 7) continue;
    CHECK(a != shuffled_answers(n, 1, 1));
    CHECK(a != shuffled_answers(n, 2, 0));
  }
  CHECK(mentions(message_of([] { shuffled_answers(index_t{1} << 24, 1, 0); }), "below 2^24"));
}

TEST_CASE("minibatches: any number of ranks has the same answers in every part") {
  const index_t n = 23, parts = 4;
  const auto order = shuffled_answers(n, 3, 5);
  std::vector<index_t> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), index_t{0});
  for (const index_t ranks : {1, 2, 3}) {
    index_t count = 0;
    for (index_t m = 0; m < parts; ++m) {
      std::set<index_t> whole, together;
      for (const std::size_t i : minibatch_of(order, m, parts, all)) whole.insert(all[i]);
      for (index_t r = 0; r < ranks; ++r) {
        std::vector<index_t> mine;
        for (index_t i = r; i < n; i += ranks) mine.push_back(i);
        for (const std::size_t i : minibatch_of(order, m, parts, mine)) together.insert(mine[i]);
      }
      CHECK(together == whole);
      count += static_cast<index_t>(together.size());
    }
    CHECK(count == n);
  }
}

TEST_CASE("minibatches: passes hold as many rows as allowed, or one answer") {
  std::vector<experience> all(4);
  for (std::size_t i = 0; i < 4; ++i) {
    all[i].prompt.assign(3, 1);
    all[i].answer.assign(i == 2 ? 40 : 5, 1);
    all[i].ended = i % 2 == 0;
  }
  CHECK(packed_rows(all[0]) == 7);
  CHECK(packed_rows(all[1]) == 8);
  const std::vector<std::size_t> list = {0, 1, 2, 3};
  using passes = std::vector<std::vector<std::size_t>>;
  CHECK(cut_into_passes(all, list, 15) == passes{{0, 1}, {2}, {3}});
  CHECK(cut_into_passes(all, list, 14) == passes{{0}, {1}, {2}, {3}});
  CHECK(cut_into_passes(all, list, 1000) == passes{{0, 1, 2, 3}});
  CHECK(cut_into_passes(all, {}, 10).empty());
}
