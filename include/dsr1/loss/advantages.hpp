// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Advantages of whole answers, from the other answers to the same prompt.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include <dsr1/loss/moments.hpp>
#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

/// With the rewards r of the answers to one prompt:
///   group_std      (r - mean) / (their deviation + eps)              GRPO, arXiv 2402.03300
///   centered       r - mean                                          Dr. GRPO, arXiv 2503.20783
///   batch_std      (r - mean) / (deviation of the batch + eps)       arXiv 2508.08221
///   leave_one_out  r - mean of the others                            RLOO, arXiv 2402.14740
enum class advantage_kind { group_std, centered, batch_std, leave_one_out };

struct advantage_options {
  advantage_kind kind = advantage_kind::group_std;
  bool unbiased = true;  ///< deviations divide by count - 1
  double eps = 1e-4;     ///< added to a deviation
};

/// One advantage per answer, and which groups say nothing.
struct group_advantages {
  std::vector<double> advantage;
  std::vector<std::uint8_t> dead;  ///< per group: all rewards are equal, all advantages exactly 0

  index_t dead_groups() const { return std::count(dead.begin(), dead.end(), 1); }
};

/// rewards [groups * group_size], the answers to one prompt side by side. `batch` are the moments
/// of the rewards of all ranks for batch_std; null: of these rewards.
/// Throws `error` when the rewards make no whole groups of two or more, or are not finite.
inline group_advantages advantages_of(std::span<const double> rewards, index_t group_size,
                                      const advantage_options& options = {},
                                      const moments* batch = nullptr) {
  expects(group_size >= 2, "advantages_of: groups of ", group_size, ", expected 2 or more");
  const auto each = static_cast<std::size_t>(group_size);
  expects(rewards.size() % each == 0, "advantages_of: ", rewards.size(),
          " rewards, expected a multiple of ", group_size);
  expects(options.eps >= 0, "advantages_of: eps is ", options.eps, ", expected 0 or more");
  const moments all = moments_of(rewards);  // checks that they are finite
  const double batch_deviation = std::sqrt((batch ? *batch : all).variance(options.unbiased));
  group_advantages out;
  out.advantage.resize(rewards.size());
  for (std::size_t first = 0; first < rewards.size(); first += each) {
    const auto group = rewards.subspan(first, each);
    const bool dead =
        std::all_of(group.begin(), group.end(), [&](double r) { return r == group.front(); });
    out.dead.push_back(dead);
    if (dead) continue;
    const moments m = moments_of(group, {}, group.front());
    double divisor = 1;
    if (options.kind == advantage_kind::group_std)
      divisor = std::sqrt(m.variance(options.unbiased)) + options.eps;
    if (options.kind == advantage_kind::batch_std) divisor = batch_deviation + options.eps;
    if (options.kind == advantage_kind::leave_one_out) divisor = 1 - 1 / m.count;
    for (std::size_t i = 0; i < each; ++i)
      out.advantage[first + i] = (group[i] - m.mean()) / divisor;
  }
  return out;
}

/// What is added to the reward of an answer of `length` tokens so that it ends in time: 0 up to
/// longest - cache, from there falling to -1 at `longest`, -1 above. Paper: arXiv 2503.14476
/// (DAPO).
inline double overlong_penalty(double length, double longest, double cache) {
  expects(length >= 0 && cache > 0 && cache <= longest, "overlong_penalty: a length of ", length,
          ", at most ", longest, " and a cache of ", cache,
          ", expected 0 or more and a cache above 0 and up to ", longest);
  return std::clamp((longest - cache - length) / cache, -1.0, 0.0);
}

}  // namespace dsr1
