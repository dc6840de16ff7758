// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Byte-pair merging of one word: the pair of the lowest rank first, from the left among equals.
#pragma once

#include <cstdint>
#include <limits>
#include <queue>
#include <span>
#include <vector>

#include <dsr1/text/pair_table.hpp>

namespace dsr1 {
namespace text_detail {

/// Rank and result of a merge in one number, so that the least is the next.
inline std::uint64_t merge_key(const pair_table& merges, std::int32_t left, std::int32_t right) {
  const auto* e = merges.find(left, right);
  if (!e) return std::numeric_limits<std::uint64_t>::max();
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(e->rank)) << 32 |
         static_cast<std::uint32_t>(e->id);
}

/// Looks at all pairs for every merge: n^2, and the fastest for the few symbols of most words.
inline std::size_t merge_short(const pair_table& merges, std::span<std::int32_t> ids) {
  constexpr auto none = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t keys[64];
  std::size_t n = ids.size();
  for (std::size_t i = 0; i + 1 < n; ++i) keys[i] = merge_key(merges, ids[i], ids[i + 1]);
  while (n > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < n; ++i)
      if (keys[i] < keys[best]) best = i;
    if (keys[best] == none) break;
    ids[best] = static_cast<std::int32_t>(keys[best] & 0xFFFFFFFFu);
    --n;
    for (std::size_t i = best + 1; i < n; ++i) {
      ids[i] = ids[i + 1];
      if (i + 1 < n) keys[i] = keys[i + 1];
    }
    if (best > 0) keys[best - 1] = merge_key(merges, ids[best - 1], ids[best]);
    if (best + 1 < n) keys[best] = merge_key(merges, ids[best], ids[best + 1]);
  }
  return n;
}

/// A list of symbols and a queue of merges: n log n, for words of any length.
inline std::size_t merge_long(const pair_table& merges, std::span<std::int32_t> ids) {
  struct symbol {
    std::int32_t before, after;
    bool gone;
  };
  struct candidate {
    std::uint64_t key;
    std::int32_t at;
    bool operator<(const candidate& o) const { return key != o.key ? key > o.key : at > o.at; }
  };
  constexpr auto none = std::numeric_limits<std::uint64_t>::max();
  const auto count = static_cast<std::int32_t>(ids.size());
  std::vector<symbol> symbols(ids.size());
  std::vector<candidate> first;
  const auto id = [&](std::int32_t i) -> std::int32_t& { return ids[static_cast<std::size_t>(i)]; };
  const auto at = [&](std::int32_t i) -> symbol& { return symbols[static_cast<std::size_t>(i)]; };
  for (std::int32_t i = 0; i < count; ++i) {
    at(i) = {i - 1, i + 1 < count ? i + 1 : -1, false};
    if (i + 1 == count) break;
    const std::uint64_t key = merge_key(merges, id(i), id(i + 1));
    if (key != none) first.push_back({key, i});
  }
  std::priority_queue<candidate> queue({}, std::move(first));
  const auto offer = [&](std::int32_t i) {
    if (i < 0 || at(i).after < 0) return;
    const std::uint64_t key = merge_key(merges, id(i), id(at(i).after));
    if (key != none) queue.push({key, i});
  };
  while (!queue.empty()) {
    const candidate top = queue.top();
    queue.pop();
    symbol& s = at(top.at);
    // A merge may have changed or taken one of the two since.
    if (s.gone || s.after < 0 || merge_key(merges, id(top.at), id(s.after)) != top.key) continue;
    symbol& taken = at(s.after);
    id(top.at) = static_cast<std::int32_t>(top.key & 0xFFFFFFFFu);
    taken.gone = true;
    s.after = taken.after;
    if (s.after >= 0) at(s.after).before = top.at;
    offer(s.before);
    offer(top.at);
  }
  std::size_t n = 0;
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (!symbols[i].gone) ids[n++] = ids[i];
  return n;
}

}  // namespace text_detail

/// Merges symbols in place and returns how many are left. The order is that of the reference: at
/// every step the pair of the lowest rank, and of equals the leftmost.
inline std::size_t merge_word(const pair_table& merges, std::span<std::int32_t> ids) {
  if (ids.size() < 2) return ids.size();
  return ids.size() <= 64 ? text_detail::merge_short(merges, ids)
                          : text_detail::merge_long(merges, ids);
}

}  // namespace dsr1
