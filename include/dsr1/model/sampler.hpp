// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Choosing the next token from logits.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include <dsr1/core/random.hpp>
#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

struct sampler_options {
  double temperature = 1;  ///< 0 is greedy
  index_t top_k = 0;       ///< keep the k most likely; 0 keeps all
  double top_p = 1;        ///< then keep the fewest whose probabilities sum to top_p
  std::uint64_t seed = 0;
};

/// Draws token after token; draw number i depends on the seed, i and the logits alone. Ties go to
/// the lowest id. Throws `error` on options out of range and on logits that are not finite.
class sampler {
 public:
  explicit sampler(sampler_options options = {})
      : options_(options), stream_(options.seed, stream_of("sampler")) {
    expects(options.temperature >= 0, "sampler: the temperature is ", options.temperature,
            ", expected 0 (greedy) or more");
    expects(options.top_k >= 0, "sampler: top_k is ", options.top_k, ", expected 0 (all) or more");
    expects(options.top_p > 0 && options.top_p <= 1, "sampler: top_p is ", options.top_p,
            ", expected above 0 and at most 1");
  }

  std::uint64_t drawn() const { return drawn_; }

  template <class T>
  std::int32_t operator()(std::span<const T> logits) {
    expects(!logits.empty(), "sampler: no logits");
    for (std::size_t i = 0; i < logits.size(); ++i)
      expects(std::isfinite(logits[i]), "sampler: the logit of token ", i, " is ", logits[i]);
    const double u = stream_.uniform(drawn_++);
    if (options_.temperature == 0)
      return static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) -
                                       logits.begin());
    order_.resize(logits.size());
    std::iota(order_.begin(), order_.end(), 0);
    const auto likelier = [&](std::int32_t a, std::int32_t b) {
      const T x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
      return x != y ? x > y : a < b;
    };
    std::size_t keep = order_.size();
    if (options_.top_k > 0) keep = std::min(keep, static_cast<std::size_t>(options_.top_k));
    std::partial_sort(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(keep),
                      order_.end(), likelier);
    // Probabilities relative to the most likely token.
    weight_.resize(keep);
    const double top = static_cast<double>(logits[static_cast<std::size_t>(order_[0])]);
    double sum = 0;
    for (std::size_t i = 0; i < keep; ++i)
      sum += weight_[i] =
          std::exp((static_cast<double>(logits[static_cast<std::size_t>(order_[i])]) - top) /
                   options_.temperature);
    double kept = 0;
    std::size_t last = 0;
    while (last < keep && kept < options_.top_p * sum) kept += weight_[last++];
    double left = u * kept;
    for (std::size_t i = 0; i + 1 < last; ++i) {
      if (left < weight_[i]) return order_[i];
      left -= weight_[i];
    }
    return order_[last - 1];
  }

 private:
  sampler_options options_;
  random_stream stream_;
  std::uint64_t drawn_ = 0;
  std::vector<std::int32_t> order_;
  std::vector<double> weight_;
};

}  // namespace dsr1
