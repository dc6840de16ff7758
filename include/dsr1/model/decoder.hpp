// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Feeds sequences to a model with key-value caches, any number of them at a time.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include <dsr1/backend/host_view.hpp>
#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/model/causal_lm.hpp>

namespace dsr1 {

/// New tokens of the sequence in one cache slot.
struct decode_input {
  index_t slot = 0;
  std::span<const std::int32_t> tokens;
  index_t rows = 1;  ///< so many of the last tokens get a row in the result; 0 to all
};

/// Keeps the sequences of `slots` requests. `feed` appends tokens to any of them and gives the
/// logits after the last token of each, or after as many as `rows` says. Long inputs are cut into
/// the cache's chunks; neither the cuts nor the other sequences of a call, nor tokens that were
/// taken back, change a bit of the result.
/// Throws `error`, and is then as before the call, on a slot or length beyond the cache, on the
/// same slot twice in a call, on an id outside the vocabulary.
template <class Ctx, class Model>
class decoder {
 public:
  using T = typename Model::number;

  template <class Options>
  decoder(Ctx& ctx, Model& model, const Options& options)
      : ctx_(ctx),
        model_(model),
        chunk_(options.chunk),
        capacity_(options.capacity),
        sequences_(static_cast<std::size_t>(options.slots)) {
    model.open_cache(ctx, saved_, options);
  }

  index_t slots() const { return static_cast<index_t>(sequences_.size()); }
  index_t capacity() const { return capacity_; }
  index_t chunk() const { return chunk_; }
  index_t vocab() const { return model_.vocab(); }
  index_t dim() const { return model_.dim(); }
  index_t length(index_t slot) const { return of(slot).length; }

  /// Forgets the sequence of a slot.
  void restart(index_t slot) { of(slot) = {}; }

  /// How short `rewind` can make the sequence of a slot now: a layer with a window keeps window and
  /// chunk, so what lies a chunk behind the farthest token since `restart` may be overwritten.
  index_t shortest(index_t slot) const { return std::max<index_t>(of(slot).farthest - chunk_, 0); }

  /// Takes back all tokens from position `length` on.
  /// Throws `error` on a length above the present one or below `shortest`.
  void rewind(index_t slot, index_t length) {
    state& s = of(slot);
    expects(length >= shortest(slot) && length <= s.length, "decoder: rewinding slot ", slot,
            " to ", length, " tokens, expected ", shortest(slot), " to ", s.length, " (chunks of ",
            chunk_, ")");
    s.length = length;
  }

  /// The logits [rows, vocab], the rows of the inputs one after another, where the host can read
  /// them, until the next call or reset of the workspace.
  view<const T, 2> feed(std::span<const decode_input> inputs) { return logits(hidden(inputs)); }

  /// The same for one sequence and its last token.
  std::span<const T> feed(index_t slot, std::span<const std::int32_t> tokens) {
    const decode_input one{slot, tokens};
    const view<const T, 2> y = feed({&one, 1});
    return {y.data, static_cast<std::size_t>(y.columns())};
  }

  /// As `feed`, but the states after the final norm, [rows, dim].
  view<const T, 2> hidden(std::span<const decode_input> inputs) {
    index_t rows = 0;
    std::size_t longest = 0;
    for (const decode_input& in : inputs) {
      expect_fits(in, inputs);
      rows += in.rows;
      longest = std::max(longest, in.tokens.size());
    }
    ctx_.workspace().reset();
    const auto out = ctx_.template take<T>(rows, model_.dim());
    const inference_mode on(ctx_);
    for (std::size_t first = 0; first < longest; first += static_cast<std::size_t>(chunk_)) {
      const workspace::scope scope(ctx_.workspace());
      step(inputs, first, out);
    }
    return out;
  }

  /// The logits of states of `hidden`, where the host can read them.
  view<const T, 2> logits(view<const T, 2> states) {
    if (states.rows() == 0) return view<const T, 2>(nullptr, 0, model_.vocab());
    return host_view(ctx_, view<const T, 2>(model_.logits(ctx_, states)), host_logits_);
  }

 private:
  struct state {
    index_t length = 0;
    index_t farthest = 0;  // longest since the restart
  };

  state& of(index_t slot) { return sequences_[at(slot)]; }
  const state& of(index_t slot) const { return sequences_[at(slot)]; }

  std::size_t at(index_t slot) const {
    expects(slot >= 0 && slot < slots(), "decoder: slot ", slot, ", expected 0 to ", slots() - 1);
    return static_cast<std::size_t>(slot);
  }

  void expect_fits(const decode_input& in, std::span<const decode_input> inputs) const {
    const auto size = static_cast<index_t>(in.tokens.size());
    expects(size > 0, "decoder: no tokens for slot ", in.slot);
    expects(in.rows >= 0 && in.rows <= size, "decoder: ", in.rows, " rows of ", size,
            " tokens for slot ", in.slot, ", expected 0 to ", size);
    expects(length(in.slot) + size <= capacity_, "decoder: slot ", in.slot, " reaches position ",
            length(in.slot) + size, ", the cache holds ", capacity_);
    for (const decode_input& other : inputs)
      expects(&in == &other || in.slot != other.slot, "decoder: slot ", in.slot,
              " twice in one call");
    for (std::size_t i = 0; i < in.tokens.size(); ++i)
      expects(in.tokens[i] >= 0 && in.tokens[i] < vocab(), "decoder: token ", i, " of slot ",
              in.slot, " has id ", in.tokens[i], ", expected 0 to ", vocab() - 1);
  }

  /// Runs tokens [first, first + chunk) of every input; keeps the states that are wanted of them.
  void step(std::span<const decode_input> inputs, std::size_t first, view<T, 2> out) {
    const auto begin = static_cast<index_t>(first);
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
    for (const sequence& p :
         parts_)  // first, for an exception may come after the cache was written
      of(p.slot).farthest = std::max(of(p.slot).farthest, p.position + p.length);
    const view<const std::int32_t, 1> ids(tokens_.data(), tokens_.size());
    const auto h = model_.hidden(ctx_, {ids, sequence_layout(parts_)}, saved_);
    for (const sequence& p : parts_) of(p.slot).length += p.length;
    std::size_t part = 0;
    index_t row = 0;  // the first of this input in `out`
    for (const decode_input& in : inputs) {
      if (first < in.tokens.size()) {
        const sequence& s = parts_[part++];
        // Wanted are the tokens from `from` on; this part ends before `end`.
        const index_t from = static_cast<index_t>(in.tokens.size()) - in.rows;
        const index_t end = begin + s.length;
        if (const index_t take = std::max(from, begin); take < end)
          Ctx::backend::copy(ctx_,
                             view<const T, 2>(h.slice_rows(s.begin + take - begin, end - take)),
                             out.slice_rows(row + take - from, end - take));
      }
      row += in.rows;
    }
  }

  Ctx& ctx_;
  Model& model_;
  index_t chunk_;
  index_t capacity_;
  typename Model::saved saved_;
  std::vector<state> sequences_;
  std::vector<std::int32_t> tokens_;
  std::vector<sequence> parts_;
  std::vector<T> host_logits_;  // of a device
};

}  // namespace dsr1
