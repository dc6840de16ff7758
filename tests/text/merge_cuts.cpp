// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Cutting long words changes no token.

#include <random>

#include "catch.hpp"

#include <dsr1/text/merge_cuts.hpp>
#include <dsr1/text/merge_word.hpp>

using namespace dsr1;

namespace {

std::vector<std::int32_t> cut_and_merged(const pair_table& merges, const merge_cuts& cuts,
                                         const std::vector<std::int32_t>& ids, int& count) {
  std::vector<std::int32_t> out;
  for (std::size_t from = 0, to; from < ids.size(); from = to) {
    for (to = from + 1; to < ids.size() && !cuts.between(ids[to - 1], ids[to]);) ++to;
    std::vector<std::int32_t> part(ids.begin() + static_cast<std::ptrdiff_t>(from),
                                   ids.begin() + static_cast<std::ptrdiff_t>(to));
    part.resize(merge_word(merges, part));
    out.insert(out.end(), part.begin(), part.end());
    ++count;
  }
  return out;
}

}  // namespace

TEST_CASE("merge_cuts: the same tokens with and without cuts") {
  std::mt19937 random(5);
  const auto below = [&](std::int32_t n) {
    return static_cast<std::int32_t>(random() % static_cast<unsigned>(n));
  };
  int cuts_made = 0;
  for (int round = 0; round < 300; ++round) {
    pair_table merges;
    std::int32_t tokens = 12;
    for (std::int32_t rank = 0; rank < 20; ++rank, ++tokens)
      merges.set({below(tokens), below(tokens), rank, tokens});
    std::vector<bool> is_symbol(static_cast<std::size_t>(tokens), false);
    std::fill_n(is_symbol.begin(), 12, true);
    const merge_cuts cuts(merges, is_symbol);
    std::vector<std::int32_t> ids(200);
    for (auto& id : ids) id = below(12);
    auto wanted = ids;
    wanted.resize(merge_word(merges, wanted));
    int parts = 0;
    CHECK(cut_and_merged(merges, cuts, ids, parts) == wanted);
    cuts_made += parts - 1;
  }
  CHECK(cuts_made > 1000);
}

TEST_CASE("merge_cuts: a token of two beginnings prevents them") {
  pair_table merges;
  merges.set({0, 1, 0, 3});
  merges.set({2, 1, 1, 3});
  CHECK_FALSE(merge_cuts(merges, {true, true, true, false}).between(0, 2));
  CHECK_FALSE(merge_cuts().between(0, 2));
  pair_table clear;
  clear.set({0, 1, 0, 3});
  CHECK(merge_cuts(clear, {true, true, true, false}).between(0, 2));
  CHECK_FALSE(merge_cuts(clear, {true, true, true, false}).between(0, 1));
}
