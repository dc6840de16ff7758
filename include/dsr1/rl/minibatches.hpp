// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Which answers are learned from together.
#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

#include <dsr1/core/random.hpp>
#include <dsr1/rl/experience.hpp>

namespace dsr1 {

/// The numbers 0 to n - 1 in an order that depends on (seed, epoch) alone; n is below 2^24, epochs
/// count over all updates.
inline std::vector<index_t> shuffled_answers(index_t n, std::uint64_t seed, index_t epoch) {
  expects(n >= 0 && n < index_t{1} << 24, "shuffled_answers: ", n, " answers, expected below 2^24");
  std::vector<index_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), index_t{0});
  const random_stream random(seed, stream_of("minibatches"));
  const std::uint64_t first = static_cast<std::uint64_t>(epoch) << 24;
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[random.below(first + i, i)]);
  return order;
}

/// Part m of `parts` of an order of all ranks' answers: the places in `mine`, which holds the
/// numbers of one rank's answers, ascending.
inline std::vector<std::size_t> minibatch_of(std::span<const index_t> order, index_t m,
                                             index_t parts, std::span<const index_t> mine) {
  const auto n = static_cast<index_t>(order.size());
  std::vector<std::size_t> places;
  for (index_t i = m * n / parts; i < (m + 1) * n / parts; ++i) {
    const index_t number = order[static_cast<std::size_t>(i)];
    const auto at = std::lower_bound(mine.begin(), mine.end(), number);
    if (at != mine.end() && *at == number)
      places.push_back(static_cast<std::size_t>(at - mine.begin()));
  }
  return places;
}

/// Cuts a list of answers into passes of at most `rows` rows each, one answer or more in each.
inline std::vector<std::vector<std::size_t>> cut_into_passes(std::span<const experience> all,
                                                             std::span<const std::size_t> list,
                                                             index_t rows) {
  std::vector<std::vector<std::size_t>> passes;
  index_t left = 0;
  for (const std::size_t i : list) {
    const index_t needs = packed_rows(all[i]);
    if (passes.empty() || needs > left) {
      passes.emplace_back();
      left = rows;
    }
    passes.back().push_back(i);
    left -= needs;
  }
  return passes;
}

}  // namespace dsr1
