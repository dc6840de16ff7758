// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Choosing the next token from logits.
#pragma once

#include <cstdint>
#include <span>

#include <dsr1/core/random.hpp>
#include <dsr1/model/logits_processor.hpp>

namespace dsr1 {

/// The random numbers of a request: number i is uniform in [0, 1) and draws token i.
inline random_stream sampling_stream(const sampler_options& options) {
  return random_stream(options.seed, stream_of("sampler"));
}

/// Draws token after token; draw number i depends on the seed, i, the logits and (with a
/// repetition penalty) the history alone. Ties go to the lowest id. Throws `error` on options out
/// of range and on logits that are not finite.
class sampler {
 public:
  explicit sampler(sampler_options options = {})
      : options_(options), stream_(sampling_stream(options)) {
    expect_valid(options);
  }

  const sampler_options& options() const { return options_; }
  std::uint64_t drawn() const { return drawn_; }

  /// What `operator()` draws from; draws nothing. Lives until the next call of either.
  template <class T>
  const token_distribution& probabilities(std::span<const T> logits,
                                          std::span<const std::int32_t> history = {}) {
    return process_(options_, logits, history);
  }

  template <class T>
  std::int32_t operator()(std::span<const T> logits, std::span<const std::int32_t> history = {}) {
    return process_.draw(options_, logits, history, stream_.uniform(drawn_++));
  }

 private:
  sampler_options options_;
  random_stream stream_;
  std::uint64_t drawn_ = 0;
  logits_processor process_;
};

}  // namespace dsr1
