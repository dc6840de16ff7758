// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Choosing the k best of a row of scores, with and without groups.
#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

/// What makes a group of experts good.
enum class group_score {
  best_two,  ///< the sum of its two best (DeepSeek-V3)
  best       ///< its best (DeepSeek-V2)
};

/// Keeps the k best of the candidates offered so far, best first; the earlier wins a tie.
template <class T>
class best_of {
 public:
  constexpr explicit best_of(std::span<std::int32_t> index, std::span<T> value)
      : index_(index), value_(value) {}

  constexpr void offer(std::int32_t i, T v) {
    std::size_t at = filled_;
    if (filled_ == index_.size()) {
      if (!(v > value_[filled_ - 1])) return;
      at = filled_ - 1;
    } else {
      ++filled_;
    }
    for (; at > 0 && v > value_[at - 1]; --at) {
      value_[at] = value_[at - 1];
      index_[at] = index_[at - 1];
    }
    value_[at] = v;
    index_[at] = i;
  }

  constexpr std::size_t filled() const { return filled_; }

 private:
  std::span<std::int32_t> index_;
  std::span<T> value_;
  std::size_t filled_ = 0;
};

/// The indices of the largest values, best first, ties to the lowest index. `value` receives them.
template <class T>
constexpr void select_top(std::span<const T> scores, std::span<std::int32_t> index,
                          std::span<T> value) {
  best_of<T> best(index, value);
  for (std::size_t i = 0; i < scores.size(); ++i)
    best.offer(static_cast<std::int32_t>(i), scores[i]);
}

/// The same among the `keep` best of `groups` equal groups; experts of other groups are out of the
/// choice altogether, as if masked with minus infinity (DeepSeek-V3, arXiv 2412.19437, 2.1.2).
template <class T>
constexpr void select_top_in_groups(std::span<const T> scores, index_t groups, index_t keep,
                                    group_score rule, std::span<std::int32_t> index,
                                    std::span<T> value) {
  constexpr std::size_t most = 64;
  std::int32_t kept[most];
  T kept_value[most];
  const std::size_t size = scores.size() / static_cast<std::size_t>(groups);
  best_of<T> best_groups({kept, static_cast<std::size_t>(keep)},
                         {kept_value, static_cast<std::size_t>(keep)});
  for (std::size_t g = 0; g < static_cast<std::size_t>(groups); ++g) {
    T first = -std::numeric_limits<T>::infinity(), second = first;
    for (const T v : scores.subspan(g * size, size)) {
      if (v > first) {
        second = first;
        first = v;
      } else if (v > second) {
        second = v;
      }
    }
    const T score = rule == group_score::best || size == 1 ? first : first + second;
    best_groups.offer(static_cast<std::int32_t>(g), score);
  }
  bool open[most] = {};
  for (std::size_t i = 0; i < static_cast<std::size_t>(keep); ++i) open[kept[i]] = true;
  best_of<T> best(index, value);
  for (std::size_t g = 0; g < static_cast<std::size_t>(groups); ++g)
    for (std::size_t i = g * size; open[g] && i < (g + 1) * size; ++i)
      best.offer(static_cast<std::int32_t>(i), scores[i]);
}

}  // namespace dsr1
