// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// How a vector is divided among ranks.
#pragma once

#include <algorithm>
#include <span>
#include <string_view>
#include <vector>

#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

/// The part of `count` elements that rank r of `size` owns: parts differ by at most one element.
constexpr index_t share_begin(index_t count, int r, int size) {
  const index_t each = count / size, rest = count % size;
  return r * each + std::min<index_t>(r, rest);
}
constexpr index_t share_size(index_t count, int r, int size) {
  return share_begin(count, r + 1, size) - share_begin(count, r, size);
}

/// Where each of `size` ranks' parts begins when they follow each other and have these counts.
/// Throws `error` naming the operation unless there is a count for each rank, and they add up to
/// `rows`.
inline std::vector<index_t> offsets_of(std::string_view operation, std::span<const index_t> counts,
                                       int size, index_t rows) {
  expects(counts.size() == static_cast<std::size_t>(size), operation, ": ", counts.size(),
          " counts for ", size, " ranks");
  std::vector<index_t> begin;
  index_t sum = 0;
  for (const index_t c : counts) {
    expects(c >= 0, operation, ": a count of ", c, ", expected none below zero");
    begin.push_back(sum);
    sum += c;
  }
  expects(sum == rows, operation, ": the counts add up to ", sum, ", the elements are ", rows);
  return begin;
}

}  // namespace dsr1
