// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What a task of reinforcement learning is: problems without end, and a judge of answers.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include <dsr1/core/error.hpp>
#include <dsr1/core/random.hpp>
#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

/// The levels of an answer, from the basic to the whole: it has the form; what it says follows from
/// the prompt; it solves the problem.
enum class level { syntax, logic, task };
inline constexpr std::array<std::string_view, 3> level_names = {"syntax", "logic", "task"};

/// What a verifier says of an answer. Levels are judged each by itself: an answer may have a higher
/// one and lack a lower one; `reached_up_to` is what a gated reward counts.
struct verdict {
  std::array<bool, 3> reached{};
  /// After how many bytes of the answer the level is told, reached or not; at most the answer's
  /// size. Less than the size promises: whatever follows these bytes, also nothing at all,
  /// `reached` stays as it is. The size promises nothing: it may be the end that decided. Verifiers
  /// give the least number that they can tell at little cost, and the size when they cannot.
  std::array<index_t, 3> decided{};
  std::string why;  ///< what is missing at the first level that was not reached; empty when all are

  bool operator[](level l) const { return reached[static_cast<std::size_t>(l)]; }
  /// Whether this level and all below it are reached.
  bool reached_up_to(level l) const {
    for (std::size_t i = 0; i <= static_cast<std::size_t>(l); ++i)
      if (!reached[i]) return false;
    return true;
  }

  /// Sets one level; the lower ones first, because `why` keeps the reason of the first that is not
  /// reached: the parts, one after the other.
  template <class... Why>
  void set(level l, bool is_reached, index_t decided_after, const Why&... parts) {
    reached[static_cast<std::size_t>(l)] = is_reached;
    decided[static_cast<std::size_t>(l)] = decided_after;
    if (!is_reached && why.empty()) why = text(parts...);
  }
};

/// `decided` for what the byte at a place tells; a place at or after the end is told by the end.
constexpr index_t decided_at(std::string_view answer, std::size_t place) {
  return static_cast<index_t>(place < answer.size() ? place + 1 : answer.size());
}

/// Which problems: those to learn from, or those kept back for evaluation.
enum class split { train, test };

/// Whether the problem with this key (what makes two problems the same) is of the split; every
/// eighth key is kept back, so that the two cannot overlap, whatever is drawn.
constexpr bool in_split(split which, std::string_view key) {
  return (philox::at(stream_of(key), 0).word[0] % 8 == 0) == (which == split::test);
}

/// task.sample(which, i)         problem i of a split, the same every time; i from 0 without end
/// task.verify(problem, answer)  the verdict, for any bytes at all, in bounded time and memory
/// A problem has a `prompt`, and a `solution` that reaches all levels: what fine-tuning imitates.
/// Answers are what comes after the prompt, without the end-of-text token.
template <class T>
concept task = requires(const T& t, split which, std::uint64_t i, const typename T::problem& p,
                        std::string_view answer) {
  { T::name } -> std::convertible_to<std::string_view>;
  { t.sample(which, i) } -> std::same_as<typename T::problem>;
  { t.verify(p, answer) } -> std::same_as<verdict>;
  { p.prompt } -> std::convertible_to<std::string_view>;
  { p.solution } -> std::convertible_to<std::string_view>;
};

}  // namespace dsr1
