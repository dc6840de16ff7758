// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Where no merge can join two neighbours a word may be cut: a text without words becomes many.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <dsr1/text/pair_table.hpp>

namespace dsr1 {

/// Which symbols stand next to each other inside of a token that merges make. Two neighbours that
/// do so nowhere are never joined: merging the two sides of a word apart gives the same tokens.
class merge_cuts {
 public:
  merge_cuts() = default;
  /// `is_symbol[t]`: words begin as sequences of these tokens. Nothing is cut when a token begins
  /// or ends with different symbols, depending on how it is made.
  merge_cuts(const pair_table& merges, const std::vector<bool>& is_symbol) {
    std::vector<pair_table::entry> all;
    merges.for_each([&](const pair_table::entry& e) { all.push_back(e); });
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.rank < b.rank; });
    std::vector<std::int32_t> first(is_symbol.size(), -1);
    for (std::size_t t = 0; t < first.size(); ++t)
      if (is_symbol[t]) first[t] = static_cast<std::int32_t>(t);
    std::vector<std::int32_t> last = first;
    // Parts have lower ranks than what they make, as a rule; a few rounds find the others.
    bool changed = true;
    for (int round = 0; changed; ++round) {
      if (round == 8) return;
      changed = false;
      for (const auto& e : all) {
        const std::int32_t begin = first[index(e.left)], end = last[index(e.right)];
        if (begin < 0 || end < 0) continue;
        for (auto [known, now] :
             {std::pair(&first[index(e.id)], begin), std::pair(&last[index(e.id)], end)}) {
          if (*known == now) continue;
          if (*known >= 0) return;
          *known = now;
          changed = true;
        }
      }
    }
    for (const auto& e : all) {
      const std::int32_t left = last[index(e.left)], right = first[index(e.right)];
      if (left >= 0 && right >= 0) neighbours_.set({left, right});
    }
    known_ = true;
  }

  /// True when a word may be cut between these two symbols.
  bool between(std::int32_t left, std::int32_t right) const {
    return known_ && !neighbours_.find(left, right);
  }

 private:
  static std::size_t index(std::int32_t token) { return static_cast<std::size_t>(token); }

  pair_table neighbours_;
  bool known_ = false;
};

}  // namespace dsr1
