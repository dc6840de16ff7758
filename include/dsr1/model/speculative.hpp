// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Speculative decoding: a draft guesses tokens, the model checks all of them in one call.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <dsr1/core/random.hpp>
#include <dsr1/model/decoder.hpp>
#include <dsr1/model/draft.hpp>
#include <dsr1/model/sampler.hpp>

namespace dsr1 {

/// Keeps a token that was drawn from q with probability min(1, p / q), else draws from
/// max(0, p - q) normalised: the result is distributed as p, whatever q is.
/// Leviathan et al. 2023 (arXiv 2211.17192), theorem 1 and appendix A.1.
class speculative_choice {
 public:
  struct result {
    std::int32_t token;
    bool kept;
  };

  /// `u` decides whether the token is kept, `v` draws another; both uniform in [0, 1), independent
  /// of each other and of the token.
  result operator()(const token_distribution& p, const token_distribution& q, std::int32_t token,
                    double u, double v) {
    const double guessed = q(token);
    expects(guessed > 0, "speculative_choice: token ", token,
            " was drawn with probability 0, expected above 0");
    if (u * guessed < p(token)) return {token, true};
    // q by id, so that the difference takes one pass over each.
    const std::int32_t largest = *std::max_element(q.tokens.begin(), q.tokens.end());
    if (by_id_.size() <= static_cast<std::size_t>(largest))
      by_id_.resize(static_cast<std::size_t>(largest) + 1);
    for (std::size_t i = 0; i < q.tokens.size(); ++i)
      by_id_[static_cast<std::size_t>(q.tokens[i])] = q.probabilities[i];
    rest_.tokens.clear();
    rest_.probabilities.clear();
    double sum = 0;
    for (std::size_t i = 0; i < p.tokens.size(); ++i) {
      const auto id = static_cast<std::size_t>(p.tokens[i]);
      const double more = p.probabilities[i] - (id < by_id_.size() ? by_id_[id] : 0);
      if (more <= 0) continue;
      rest_.tokens.push_back(p.tokens[i]);
      rest_.probabilities.push_back(more);
      sum += more;
    }
    for (const std::int32_t id : q.tokens) by_id_[static_cast<std::size_t>(id)] = 0;
    if (rest_.tokens.empty()) return {p.pick(v), false};  // p and q differ by rounding only
    for (double& x : rest_.probabilities) x /= sum;
    return {rest_.pick(v), false};
  }

 private:
  std::vector<double> by_id_;  // zeros between calls
  token_distribution rest_;
};

struct speculative_options {
  index_t guesses = 4;  ///< tokens that the draft proposes per round
  sampler_options sampling = {};
};

struct speculative_counts {
  std::uint64_t rounds = 0;    ///< calls of the model after the prompt
  std::uint64_t proposed = 0;  ///< guessed tokens that were checked
  std::uint64_t accepted = 0;  ///< and kept
  std::uint64_t tokens = 0;    ///< generated

  double acceptance() const {
    return proposed == 0 ? 0 : static_cast<double>(accepted) / static_cast<double>(proposed);
  }
};

/// Continues one sequence of a decoder with the guesses of a draft. Greedy (temperature 0), the
/// tokens are those of greedy decoding without a draft, always; else they are distributed exactly
/// as the model's own, by the same `logits_processor`, whatever the draft. The random numbers
/// belong to positions: seed, model, draft and number of guesses give the same tokens every time.
/// Nothing else may feed the slot meanwhile; the decoder's other slots are free to be used.
/// Throws `error` where `guesses` + 1 tokens are more than the decoder's chunk (it could not take
/// them back), and on a draft of another vocabulary.
template <class Target, draft Draft>
class speculative_decoder {
 public:
  using T = typename Target::T;

  speculative_decoder(Target& target, Draft& guess, const speculative_options& options,
                      index_t slot = 0)
      : target_(target),
        draft_(guess),
        options_(options),
        slot_(slot),
        own_(sampling_stream(options.sampling)),
        keep_(options.sampling.seed, stream_of("speculative: keep")),
        other_(options.sampling.seed, stream_of("speculative: other")) {
    expect_valid(options.sampling);
    target.length(slot);  // throws on a slot beyond the cache
    expects(options.guesses > 0 && options.guesses < target.chunk(),
            "speculative_decoder: ", options.guesses, " guesses, expected 1 to ",
            target.chunk() - 1, " (the decoder's chunk less one)");
    if constexpr (requires { guess.vocab(); })
      expects(guess.vocab() == target.vocab(), "speculative_decoder: the draft has ", guess.vocab(),
              " tokens, expected ", target.vocab(), " as the model");
  }

  /// Begins a sequence: reads the prompt, all but its last token.
  void begin(std::span<const std::int32_t> prompt) {
    expects(!prompt.empty(),
            "speculative_decoder: the prompt is empty, expected one token or more");
    tokens_.clear();
    counts_ = {};
    target_.restart(slot_);
    if (prompt.size() > 1) {
      const auto all = prompt.first(prompt.size() - 1);
      const decode_input in{slot_, all, observes ? static_cast<index_t>(all.size()) : 0};
      tell(0, target_.hidden({&in, 1}));
    }
    tokens_.reserve(std::max(prompt.size(), static_cast<std::size_t>(target_.capacity())) + 1);
    tokens_.assign(prompt.begin(), prompt.end());
  }

  /// One round: 1 to guesses + 1 new tokens, at most `most`; the result lives until the next call.
  /// Throws `error` when the cache is full. After an exception all is as before the call.
  std::span<const std::int32_t> step(index_t most) {
    expects(most > 0, "speculative_decoder: a step of at most ", most, " tokens, expected above 0");
    expects(!tokens_.empty(), "speculative_decoder: a step before begin");
    const std::size_t before = tokens_.size();
    const auto length = static_cast<index_t>(before);
    expects(length <= target_.capacity(), "speculative_decoder: the sequence has ", length,
            " tokens, the cache holds ", target_.capacity());
    const index_t n = std::min({options_.guesses, most - 1, target_.capacity() - length});
    try {
      const token_proposal* guess = nullptr;
      if (n > 0) {
        guess = &static_cast<const token_proposal&>(
            draft_.propose(slot_, tokens_, n, options_.sampling));
        const auto guesses = static_cast<index_t>(guess->tokens.size());
        expects(guesses <= n && guess->distributions.size() >= guess->tokens.size(),
                "speculative_decoder: the draft proposes ", guesses, " tokens with ",
                guess->distributions.size(), " distributions, expected at most ", n,
                " and one for each");
        tokens_.insert(tokens_.end(), guess->tokens.begin(), guess->tokens.end());
      }
      verify(before, guess);
    } catch (...) {  // as before the round
      tokens_.resize(before);
      target_.rewind(slot_, length - 1);
      throw;
    }
    return std::span<const std::int32_t>(tokens_).subspan(before);
  }

  /// Prompt and what was generated.
  std::span<const std::int32_t> tokens() const { return tokens_; }
  const speculative_counts& counts() const { return counts_; }

 private:
  static constexpr bool observes =
      requires(Draft d, view<const T, 2> states) { d.observe(index_t{}, index_t{}, states); };

  void tell(index_t position, view<const T, 2> states) {
    if constexpr (observes) draft_.observe(slot_, position, states);
  }

  /// Checks the guesses at the end of tokens_; leaves those that are kept and one token more.
  void verify(std::size_t before, const token_proposal* guess) {
    const std::size_t guesses = tokens_.size() - before;
    const auto fresh = std::span<const std::int32_t>(tokens_).subspan(before - 1);
    const decode_input in{slot_, fresh, static_cast<index_t>(fresh.size())};
    const view<const T, 2> states = target_.hidden({&in, 1});
    const view<const T, 2> logits = target_.logits(states);
    std::size_t kept = 0;
    std::int32_t last = 0;
    for (;; ++kept) {
      const auto history = std::span<const std::int32_t>(tokens_).first(before + kept);
      const token_distribution& p = process_(options_.sampling,
                                             std::span(logits.row(static_cast<index_t>(kept)),
                                                       static_cast<std::size_t>(logits.columns())),
                                             history);
      const std::uint64_t position = before + kept;
      if (kept == guesses) {
        last = p.pick(own_.uniform(position));
        break;
      }
      const auto choice = choose_(p, guess->distributions[kept], guess->tokens[kept],
                                  keep_.uniform(position), other_.uniform(position));
      last = choice.token;
      if (!choice.kept) break;
    }
    counts_.rounds += 1;
    counts_.proposed += guesses;
    counts_.accepted += kept;
    counts_.tokens += kept + 1;
    target_.rewind(slot_, static_cast<index_t>(before + kept));
    tokens_.resize(before + kept);
    tokens_.push_back(last);
    tell(static_cast<index_t>(before) - 1, states.slice_rows(0, static_cast<index_t>(kept) + 1));
  }

  Target& target_;
  Draft& draft_;
  speculative_options options_;
  index_t slot_;
  random_stream own_, keep_, other_;
  std::vector<std::int32_t> tokens_;
  speculative_counts counts_;
  logits_processor process_;
  speculative_choice choose_;
};

}  // namespace dsr1
