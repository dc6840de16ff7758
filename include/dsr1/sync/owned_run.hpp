// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Which ranks hold a piece of a vector, and which of them takes the sum.
#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

#include <dsr1/comm/rank_group.hpp>

namespace dsr1 {

/// `size` numbers that the `holders` have a copy each of; their sum is taken by the owner, one of
/// them. All ranks know all runs, in the same order.
struct owned_run {
  index_t size = 0;
  int owner = 0;
  std::vector<int> holders;  ///< ascending
  index_t at = -1;           ///< where it lies in this rank's vector; -1 when it holds none of it

  bool held_by(int rank) const { return std::binary_search(holders.begin(), holders.end(), rank); }
};

/// A vector that all ranks hold, in one run per rank: the owners' shares in whole blocks.
inline std::vector<owned_run> even_runs(index_t count, index_t block, int ranks) {
  std::vector<int> all(static_cast<std::size_t>(ranks));
  std::iota(all.begin(), all.end(), 0);
  std::vector<owned_run> runs;
  const index_t blocks = ceil_div(count, block);
  for (int r = 0; r < ranks; ++r) {
    const index_t begin = std::min(count, share_begin(blocks, r, ranks) * block);
    const index_t end = std::min(count, share_begin(blocks, r + 1, ranks) * block);
    runs.push_back({.size = end - begin, .owner = r, .holders = all, .at = begin});
  }
  return runs;
}

}  // namespace dsr1
