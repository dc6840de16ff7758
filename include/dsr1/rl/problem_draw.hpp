// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The random choices that make a problem: the same for the same seed, split and index.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include <dsr1/core/error.hpp>
#include <dsr1/core/random.hpp>
#include <dsr1/rl/task.hpp>

namespace dsr1 {

/// A stream of choices of its own for every (seed, task, split, index).
class problem_draw {
 public:
  problem_draw(std::uint64_t seed, std::string_view task, split which, std::uint64_t index)
      : stream_(random_stream(seed, stream_of(task)).bits(which == split::test), index) {}

  /// Uniform in [low, high], which are less than 2^32 apart.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(
                     stream_.below(next_++, static_cast<std::uint64_t>(high - low) + 1));
  }
  /// True once in n.
  bool once_in(std::int64_t n) { return between(1, n) == 1; }

  /// One element of a string, an array or a vector that is not empty.
  template <class List>
  decltype(auto) one_of(const List& list) {
    return list[index_below(list.size())];
  }

  template <class T>
  void shuffle(std::vector<T>& list) {
    for (std::size_t i = list.size(); i > 1; --i) std::swap(list[i - 1], list[index_below(i)]);
  }

  std::size_t index_below(std::size_t n) {
    return static_cast<std::size_t>(between(0, static_cast<std::int64_t>(n) - 1));
  }

 private:
  random_stream stream_;
  std::uint64_t next_ = 0;
};

/// Draws candidates until one is of the split: `candidate(draw)` gives a std::optional of a problem
/// with a `key`, empty when these choices make none. Throws `error` after 100'000 of them: the
/// options leave (almost) no problem for this split.
template <class Candidate>
auto draw_problem(std::uint64_t seed, std::string_view task, split which, std::uint64_t index,
                  Candidate&& candidate) {
  problem_draw draw(seed, task, which, index);
  constexpr int most = 100'000;
  for (int tries = 0; tries < most; ++tries)
    if (auto problem = candidate(draw); problem && in_split(which, problem->key))
      return *std::move(problem);
  throw error(text(task, ": no problem of the ", which == split::test ? "test" : "train",
                   " split among ", most, " candidates: the options leave too few"));
}

}  // namespace dsr1
