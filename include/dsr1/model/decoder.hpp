// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Feeds sequences to a model with key-value caches, any number of them at a time.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/model/causal_lm.hpp>

namespace dsr1 {

/// New tokens of the sequence in one cache slot.
struct decode_input {
  index_t slot = 0;
  std::span<const std::int32_t> tokens;
};

/// Keeps the sequences of `slots` requests. `feed` appends tokens to any of them and gives the
/// logits after the last token of each. Long inputs are cut into the cache's chunks; neither the
/// cuts nor the other sequences of a call change a bit of the result.
/// Throws `error` on a slot or length beyond the cache, and on the same slot twice in a call.
template <class Ctx, class Model>
class decoder {
 public:
  using T = typename Model::number;

  template <class Options>
  decoder(Ctx& ctx, Model& model, const Options& options)
      : ctx_(ctx),
        model_(model),
        chunk_(options.chunk),
        length_(static_cast<std::size_t>(options.slots)) {
    model.open_cache(ctx, saved_, options);
  }

  index_t length(index_t slot) const { return length_[at(slot)]; }

  /// Forgets the sequence of a slot.
  void restart(index_t slot) { length_[at(slot)] = 0; }

  /// The logits [inputs, vocab], in the workspace until the next call of this context's reset.
  view<const T, 2> feed(std::span<const decode_input> inputs) {
    ctx_.workspace().reset();
    const auto last = ctx_.template take<T>(static_cast<index_t>(inputs.size()), model_.dim());
    std::size_t longest = 0;
    for (const decode_input& in : inputs) {
      expects(!in.tokens.empty(), "decoder: no tokens for slot ", in.slot);
      for (const decode_input& other : inputs)
        expects(&in == &other || in.slot != other.slot, "decoder: slot ", in.slot,
                " twice in one call");
      longest = std::max(longest, in.tokens.size());
    }
    const bool was = ctx_.inference();
    ctx_.inference(true);
    for (std::size_t first = 0; first < longest; first += static_cast<std::size_t>(chunk_)) {
      const workspace::scope scope(ctx_.workspace());
      step(inputs, first, last);
    }
    ctx_.inference(was);
    return model_.logits(ctx_, view<const T, 2>(last));
  }

  /// The same for one sequence.
  std::span<const T> feed(index_t slot, std::span<const std::int32_t> tokens) {
    const decode_input one{slot, tokens};
    const view<const T, 2> logits = feed({&one, 1});
    return {logits.data, static_cast<std::size_t>(logits.columns())};
  }

 private:
  std::size_t at(index_t slot) const {
    expects(slot >= 0 && slot < static_cast<index_t>(length_.size()), "decoder: slot ", slot,
            ", expected 0 to ", length_.size() - 1);
    return static_cast<std::size_t>(slot);
  }

  /// Runs tokens [first, first + chunk) of every input; keeps the last state of those that end.
  void step(std::span<const decode_input> inputs, std::size_t first, view<T, 2> last) {
    tokens_.clear();
    parts_.clear();
    for (const decode_input& in : inputs) {
      if (first >= in.tokens.size()) continue;
      const auto part = in.tokens.subspan(
          first, std::min(static_cast<std::size_t>(chunk_), in.tokens.size() - first));
      parts_.push_back({.begin = static_cast<index_t>(tokens_.size()),
                        .length = static_cast<index_t>(part.size()),
                        .position = length(in.slot),
                        .slot = in.slot});
      tokens_.insert(tokens_.end(), part.begin(), part.end());
    }
    const view<const std::int32_t, 1> ids(tokens_.data(), tokens_.size());
    const auto h = model_.hidden(ctx_, {ids, sequence_layout(parts_)}, saved_);
    for (const sequence& s : parts_) length_[at(s.slot)] += s.length;
    std::size_t part = 0;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (first >= inputs[i].tokens.size()) continue;
      const sequence& s = parts_[part++];
      if (first + static_cast<std::size_t>(s.length) < inputs[i].tokens.size()) continue;
      Ctx::backend::copy(ctx_, view<const T, 2>(h.slice_rows(s.begin + s.length - 1, 1)),
                         last.slice_rows(static_cast<index_t>(i), 1));
    }
  }

  Ctx& ctx_;
  Model& model_;
  index_t chunk_;
  typename Model::saved saved_;
  std::vector<index_t> length_;
  std::vector<std::int32_t> tokens_;
  std::vector<sequence> parts_;
};

}  // namespace dsr1
