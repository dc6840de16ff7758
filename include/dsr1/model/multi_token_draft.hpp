// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The multi-token-prediction layer of a model as the draft of its speculative decoding.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include <dsr1/attention/cache.hpp>
#include <dsr1/backend/host_view.hpp>
#include <dsr1/model/draft.hpp>
#include <dsr1/model/logits_processor.hpp>
#include <dsr1/model/multi_token.hpp>

namespace dsr1 {

/// Guesses the token behind a sequence from the model's state of the last but one and the embedding
/// of the last; further guesses take the layer's own state in place of the model's. Keeps the keys
/// and values of the layer in a cache of its own, and the model's states until they are fed.
/// Guess i of a request is drawn with random number i of a stream of its seed.
template <class Ctx, class Model>
class multi_token_draft {
 public:
  using T = typename Model::number;

  multi_token_draft(Ctx& ctx, Model& model, const cache_options& options)
      : ctx_(ctx),
        model_(model),
        options_(options),
        states_(options.slots * options.capacity * model.model().dim(), ctx.memory()),
        slots_(static_cast<std::size_t>(options.slots)) {
    model.draft().open_cache(ctx, saved_, options);
  }

  index_t vocab() const { return model_.model().vocab(); }

  /// Takes the model's states of tokens from `position` on.
  void observe(index_t slot, index_t position, view<const T, 2> states) {
    state& s = slots_.at(static_cast<std::size_t>(slot));
    if (position == 0) s = {};
    expects(position == s.known && position + states.rows() <= options_.capacity,
            "multi_token_draft: states of slot ", slot, " from position ", position, ", expected ",
            s.known, " and at most ", options_.capacity, " in all");
    Ctx::backend::copy(ctx_, states, kept(slot).slice_rows(position, states.rows()));
    s.known += states.rows();
  }

  const token_proposal& propose(index_t slot, std::span<const std::int32_t> tokens, index_t n,
                                const sampler_options& options) {
    out_.clear();
    state& s = slots_.at(static_cast<std::size_t>(slot));
    const auto length = static_cast<index_t>(tokens.size());
    n = std::min(n, options_.capacity - length + 1);
    if (n <= 0 || length < 2) return out_;
    expects(s.known == length - 1, "multi_token_draft: ", s.known, " states for ", length,
            " tokens, expected one less");
    const inference_mode on(ctx_);
    const random_stream numbers(options.seed, stream_of("draft"));
    history_.assign(tokens.begin(), tokens.end());
    ctx_.workspace().reset();
    const auto state_row = ctx_.template take<T>(index_t{1}, model_.model().dim());
    for (; s.fed < s.known; s.fed += std::min(options_.chunk, s.known - s.fed))
      feed(slot, s.fed, kept(slot).slice_rows(s.fed, std::min(options_.chunk, s.known - s.fed)),
           state_row);
    for (index_t i = 0; i < n; ++i) {
      if (i > 0) feed(slot, length - 2 + i, view<const T, 2>(state_row), state_row);
      const workspace::scope scope(ctx_.workspace());
      const auto logits = host_view(
          ctx_, view<const T, 2>(model_.model().logits(ctx_, view<const T, 2>(state_row))),
          host_logits_);
      const std::span<const T> row(logits.data, static_cast<std::size_t>(logits.columns()));
      out_.draw(process_(options, row, history_), numbers.uniform(history_.size()));
      history_.push_back(out_.tokens.back());
    }
    return out_;
  }

 private:
  struct state {
    index_t known = 0;  // states of the model
    index_t fed = 0;    // of them in the layer's cache
  };

  view<T, 2> kept(index_t slot) {
    const index_t size = options_.capacity * model_.model().dim();
    return view<T, 2>(states_.data() + slot * size, options_.capacity, model_.model().dim());
  }

  /// Rows from `position` on, each with the token after it; `last` receives the last row's state.
  void feed(index_t slot, index_t position, view<const T, 2> h, view<T, 2> last) {
    const workspace::scope scope(ctx_.workspace());
    const sequence row{.begin = 0, .length = h.rows(), .position = position, .slot = slot};
    typename embedding<embedding_shape{}, T>::saved unused;
    const view<const std::int32_t, 1> next(history_.data() + position + 1, h.rows());
    const view<const T, 2> e = model_.model().tokens().forward(ctx_, next, unused);
    const auto y = model_.draft().forward(
        ctx_, e, activations<T>(h, sequence_layout(std::span(&row, 1))), saved_);
    Ctx::backend::copy(ctx_, view<const T, 2>(y.slice_rows(h.rows() - 1, 1)), last);
  }

  Ctx& ctx_;
  Model& model_;
  cache_options options_;
  typename Model::draft_type::saved saved_;
  buffer<T> states_;
  std::vector<state> slots_;
  std::vector<std::int32_t> history_;
  logits_processor process_;
  std::vector<T> host_logits_;  // of a device
  token_proposal out_;
};

}  // namespace dsr1
