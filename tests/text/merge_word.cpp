// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Merging: the two ways agree with each other and with the definition, in time.

#include <random>

#include "catch.hpp"

#include <dsr1/text/merge_word.hpp>

using namespace dsr1;

namespace {

/// The definition: the lowest rank, the leftmost of equals, until none is left.
std::vector<std::int32_t> by_definition(const pair_table& merges, std::vector<std::int32_t> ids) {
  while (true) {
    const pair_table::entry* best = nullptr;
    std::size_t at = 0;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto* e = merges.find(ids[i], ids[i + 1]);
      if (e && (!best || e->rank < best->rank)) {
        best = e;
        at = i;
      }
    }
    if (!best) return ids;
    ids[at] = best->id;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

}  // namespace

TEST_CASE("merge_word: random merges and words of every length") {
  std::mt19937 random(3);
  const auto below = [&](std::int32_t n) {
    return static_cast<std::int32_t>(random() % static_cast<unsigned>(n));
  };
  for (int round = 0; round < 200; ++round) {
    pair_table merges;
    std::int32_t tokens = 4;
    for (std::int32_t rank = 0; rank < 60; ++rank)
      merges.set({below(tokens), below(tokens), rank, tokens}), ++tokens;
    for (const std::size_t length : {0, 1, 2, 3, 10, 63, 64, 65, 200}) {
      std::vector<std::int32_t> ids(length);
      for (auto& id : ids) id = below(4);
      const auto wanted = by_definition(merges, ids);
      auto shorter = ids, longer = ids;
      ids.resize(merge_word(merges, ids));
      CHECK(ids == wanted);
      longer.resize(text_detail::merge_long(merges, longer));
      CHECK(longer == wanted);
      if (length > 64) continue;
      shorter.resize(text_detail::merge_short(merges, shorter));
      CHECK(shorter == wanted);
    }
  }
}

TEST_CASE("merge_word: a word of a million symbols") {
  pair_table merges;
  for (std::int32_t i = 0; i < 16; ++i) merges.set({i, i, i, i + 1});  // doubles
  std::vector<std::int32_t> ids(1 << 20, 0);
  ids.resize(merge_word(merges, ids));
  CHECK(ids == std::vector<std::int32_t>(16, 16));
}
