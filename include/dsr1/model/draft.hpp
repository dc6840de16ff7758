// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Who guesses the next tokens for speculative decoding, and a small model that does.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <span>
#include <vector>

#include <dsr1/attention/cache.hpp>
#include <dsr1/core/random.hpp>
#include <dsr1/model/decoder.hpp>
#include <dsr1/model/logits_processor.hpp>

namespace dsr1 {

/// Guessed tokens and the distributions that they were drawn from, token i from distribution i.
/// The vectors of distributions may be longer; they are kept for their memory.
struct token_proposal {
  std::vector<std::int32_t> tokens;
  std::vector<token_distribution> distributions;

  void clear() { tokens.clear(); }
  /// Appends a token; takes it from `d` at u in [0, 1).
  void draw(const token_distribution& d, double u) {
    if (distributions.size() == tokens.size()) distributions.emplace_back();
    distributions[tokens.size()] = d;
    tokens.push_back(d.pick(u));
  }
};

/// A draft: propose(slot, tokens, n, options) guesses up to n tokens (none is allowed) that follow
/// `tokens`, the whole sequence of the slot so far. It draws each from the distribution that it
/// reports (by `options`, if it would be right often), with random numbers that nothing else uses.
/// The result lives until the next call. Between two calls the sequence may have lost guessed
/// tokens and gained others.
///
/// A draft may also have observe(slot, position, states): the target's states after the final
/// norm, [tokens, dim], of the tokens of `slot` from `position` on, in order and each once, the
/// moment that they are certain (position 0 begins a new sequence). It is what a
/// multi-token-prediction layer reads; it copies what it keeps.
template <class D>
concept draft = requires(D d, index_t slot, std::span<const std::int32_t> tokens, index_t n,
                         const sampler_options& options) {
  { d.propose(slot, tokens, n, options) } -> std::convertible_to<const token_proposal&>;
};

/// A small language model with the target's vocabulary as a draft. It keeps a cache of its own,
/// takes back what was not accepted and feeds what is new. Random number i of a request, from a
/// stream of its seed, draws the guess at position i.
template <class Ctx, class Model>
class model_draft {
 public:
  using T = typename Model::number;

  /// The cache has to hold the sequences of the target, all but the last token.
  model_draft(Ctx& ctx, Model& model, const cache_options& options)
      : decode_(ctx, model, options), fed_(static_cast<std::size_t>(options.slots)) {
    // So that nothing is taken from the heap later.
    for (auto& fed : fed_) fed.reserve(static_cast<std::size_t>(options.capacity));
    history_.reserve(static_cast<std::size_t>(options.capacity) + 1);
  }

  index_t vocab() const { return decode_.vocab(); }

  const token_proposal& propose(index_t slot, std::span<const std::int32_t> tokens, index_t n,
                                const sampler_options& options) {
    out_.clear();
    const auto length = static_cast<index_t>(tokens.size());
    n = std::min(n, decode_.capacity() - length + 1);  // the last guess need not be fed
    if (n <= 0) return out_;
    expects(length > 0, "model_draft: no tokens in slot ", slot);
    agree(slot, tokens);
    auto& fed = fed_[static_cast<std::size_t>(slot)];
    history_.assign(tokens.begin(), tokens.end());
    const random_stream numbers(options.seed, stream_of("draft"));
    while (static_cast<index_t>(out_.tokens.size()) < n) {
      const std::span<const T> logits =
          decode_.feed(slot, std::span<const std::int32_t>(history_).subspan(fed.size()));
      fed.assign(history_.begin(), history_.end());
      out_.draw(process_(options, logits, history_), numbers.uniform(history_.size()));
      history_.push_back(out_.tokens.back());
    }
    return out_;
  }

 private:
  /// Takes back what the sequence does not begin with; one token at least is left to feed.
  void agree(index_t slot, std::span<const std::int32_t> tokens) {
    decode_.length(slot);  // throws on a slot beyond the cache
    auto& fed = fed_[static_cast<std::size_t>(slot)];
    const std::size_t most = std::min(fed.size(), tokens.size() - 1);
    std::size_t same = 0;
    while (same < most && fed[same] == tokens[same]) ++same;
    if (static_cast<index_t>(same) < decode_.shortest(slot)) {
      decode_.restart(slot);
      same = 0;
    }
    decode_.rewind(slot, static_cast<index_t>(same));
    fed.resize(same);
  }

  decoder<Ctx, Model> decode_;
  std::vector<std::vector<std::int32_t>> fed_;  // of every slot
  std::vector<std::int32_t> history_;
  logits_processor process_;
  token_proposal out_;
};

}  // namespace dsr1
