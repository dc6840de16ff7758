// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Blocks of keys: every query meets each key that it sees exactly once, in the row that holds it.

#include <vector>

#include "catch.hpp"

#include <dsr1/cpu/attention_blocks.hpp>

using namespace dsr1;
namespace blocks = dsr1::attention_blocks;

TEST_CASE("attention_blocks: each visible key once, in its row, with and without a ring") {
  for (const index_t window : {0, 1, 31, 32, 33, 70})
    for (const index_t ring : {0, 256})
      for (const index_t position : {0, 1, 31, 64, 100}) {
        const sequence s{.begin = 7, .length = 90, .position = position, .slot = 2};
        const index_t begin = position + 20, end = position + 84;  // some block of queries
        const index_t oldest_held = ring == 0 ? position : 0;
        std::vector<int> met(static_cast<std::size_t>((end - begin) * end));
        for (index_t first = blocks::first_block(window, s, begin, ring); first < end;
             first += blocks::k_block) {
          const auto keys = blocks::block_at(ring, s, first, end);
          REQUIRE(keys.count > 0);
          REQUIRE(keys.row == (ring == 0 ? 7 + keys.first - position : 2 * ring + keys.first));
          index_t from = begin, to = end;
          blocks::visible_queries(window, keys, from, to);
          for (index_t t = from; t < to; ++t) {
            const auto range = blocks::seen(window, keys, t);
            for (int j = range.low; j < range.high; ++j)
              ++met[static_cast<std::size_t>((t - begin) * end + keys.first + j)];
          }
        }
        for (index_t t = begin; t < end; ++t)
          for (index_t p = 0; p < end; ++p) {
            const bool visible = p >= oldest_held && p <= t && (window == 0 || p > t - window);
            REQUIRE(met[static_cast<std::size_t>((t - begin) * end + p)] == (visible ? 1 : 0));
          }
      }
}

TEST_CASE("attention_blocks: a block never crosses the end of a ring") {
  const sequence s{.begin = 0, .length = 1, .position = 1000, .slot = 3};
  for (index_t first = 0; first < 1000; first += blocks::k_block) {
    const auto b = blocks::block_at(96, s, first, 1001);
    CHECK(b.row >= 3 * 96);
    CHECK(b.row + b.count <= 4 * 96);
  }
}

TEST_CASE("attention_blocks: scratch holds what it says, for heads of any two sizes") {
  for (const index_t head_dim : {1, 33, 576})
    for (const index_t value_dim : {0, 1, 512, 700}) {
      const attention_extents e{.head_dim = head_dim, .value_dim = value_dim};
      std::vector<float> memory(static_cast<std::size_t>(blocks::scratch<float>::size(e, 5)));
      const blocks::scratch<float> w(memory.data(), e, 5);
      CHECK(w.sum + 5 * blocks::q_block == memory.data() + memory.size());
      CHECK(w.values - w.keys >= blocks::k_block * std::max(head_dim, value_dim));
      CHECK(w.scores - w.queries >= blocks::q_block * std::max(head_dim, value_dim));
    }
}
