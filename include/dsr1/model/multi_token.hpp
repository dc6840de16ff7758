// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Multi-token prediction: a layer behind the model that predicts the token after the next.
#pragma once

#include <utility>
#include <vector>

#include <dsr1/model/causal_lm.hpp>

namespace dsr1 {

/// y[t] = norm(block(W [norm_e(e[t+1]) ; norm_h(h[t])])), where e are rows of the embedding and h
/// the states of the model after its final norm; the model's head gives the logits of token t + 2.
/// DeepSeek-V3, arXiv 2412.19437, 2.2; the order of the two halves is that of the released weights.
template <class Block>
class multi_token_layer {
 public:
  static constexpr std::string_view name = "multi_token";
  using number = typename Block::number;
  using T = number;
  using norm_type = rms_norm<rms_norm_shape{}, T>;

  struct saved {
    typename norm_type::saved embedding_norm, hidden_norm, norm;
    typename linear<linear_shape{}, T>::saved join;
    typename Block::saved block;
  };

  multi_token_layer(index_t dim, Block block, rms_norm_options options = {})
      : dim_(dim),
        embedding_norm_({.dim = dim}, options),
        hidden_norm_({.dim = dim}, options),
        join_({.in = 2 * dim, .out = dim}),
        block_(std::move(block)),
        norm_({.dim = dim}, options) {}

  Block& block() { return block_; }

  /// e and h are [tokens, dim]; row t of e belongs to the token after that of row t of h.
  template <class Ctx>
  view<T, 2> forward(Ctx& ctx, view<const T, 2> e, activations<T> h, saved& s) {
    const auto both = ctx.template take<T>(h.rows(), 2 * dim_);
    Ctx::backend::copy(ctx, view<const T, 2>(embedding_norm_.forward(ctx, e, s.embedding_norm)),
                       both.slice_columns(0, dim_));
    Ctx::backend::copy(ctx, view<const T, 2>(hidden_norm_.forward(ctx, h, s.hidden_norm)),
                       both.slice_columns(dim_, dim_));
    const auto x = join_.forward(ctx, both, s.join);
    const auto y = block_.forward(ctx, activations<T>(x, h.sequences), s.block);
    return norm_.forward(ctx, y, s.norm);
  }

  /// The gradients of e and of h.
  template <class Ctx>
  std::pair<view<T, 2>, view<T, 2>> backward(Ctx& ctx, view<const T, 2> dy, saved& s) {
    const auto dblock = norm_.backward(ctx, dy, s.norm);
    const auto dx = block_.backward(ctx, view<const T, 2>(dblock), s.block);
    const view<const T, 2> both = join_.backward(ctx, view<const T, 2>(dx), s.join);
    return {embedding_norm_.backward(ctx, both.slice_columns(0, dim_), s.embedding_norm),
            hidden_norm_.backward(ctx, both.slice_columns(dim_, dim_), s.hidden_norm)};
  }

  template <class Ctx, class Options>
  void open_cache(Ctx& ctx, saved& s, const Options& options) {
    open_cache_of(block_, ctx, s.block, options);
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    visit_under("embedding_norm", embedding_norm_, visitor);
    visit_under("hidden_norm", hidden_norm_, visitor);
    visit_under("join", join_, visitor);
    block_.for_each_parameter(visitor);
    visit_under("norm", norm_, visitor);
  }

 private:
  index_t dim_;
  norm_type embedding_norm_, hidden_norm_;
  linear<linear_shape{}, T> join_;
  Block block_;
  norm_type norm_;
};

/// A language model and its multi-token-prediction layer, which shares embedding and head.
/// The parameters of the layer are under "drafts.0".
template <class Model, class Block>
class multi_token_lm {
 public:
  using number = typename Model::number;
  using T = number;
  using ids = view<const std::int32_t, 1>;
  using draft_type = multi_token_layer<Block>;

  struct saved {
    typename Model::saved model;
    typename draft_type::saved draft;
    typename embedding<embedding_shape{}, T>::saved embedding;
    /// Of the rows that have a next token: their sequences, row, next id and the target after it.
    std::vector<sequence> sequences;
    std::vector<std::int32_t> rows, next, targets;
    view<const std::int32_t, 1> device_rows;
  };

  struct losses {
    token_loss model, draft;
  };

  multi_token_lm(Model model, draft_type draft)
      : model_(std::move(model)), draft_(std::move(draft)) {}

  Model& model() { return model_; }
  draft_type& draft() { return draft_; }

  /// The states of the draft layer for every row of h (what `model().hidden` returned for the same
  /// batch) that is not the last of its sequence; the head turns them into logits of the token
  /// after the next.
  template <class Ctx>
  view<T, 2> draft_hidden(Ctx& ctx, const token_batch& batch, view<const T, 2> h, saved& s) {
    s.sequences.clear();
    s.rows.clear();
    s.next.clear();
    for (index_t i = 0; i < batch.sequences.count(); ++i) {
      const sequence q = batch.sequences[i];
      if (q.length < 2) continue;
      s.sequences.push_back({.begin = static_cast<index_t>(s.rows.size()),
                             .length = q.length - 1,
                             .position = q.position,
                             .slot = q.slot});
      for (index_t t = q.begin; t + 1 < q.begin + q.length; ++t) {
        s.rows.push_back(static_cast<std::int32_t>(t));
        s.next.push_back(batch.ids[t + 1]);
      }
    }
    const auto rows = ctx.template take<std::int32_t>(static_cast<index_t>(s.rows.size()));
    Ctx::backend::upload(ctx, s.rows.data(), rows);
    s.device_rows = rows;
    const auto chosen = ctx.template take<T>(rows.rows(), model_.dim());
    Ctx::backend::gather_rows(ctx, h, s.device_rows, chosen);
    const auto e = model_.tokens().forward(ctx, ids(s.next.data(), s.next.size()), s.embedding);
    return draft_.forward(ctx, e, activations<T>(chosen, sequence_layout(s.sequences)), s.draft);
  }

  /// Forward and backward of both losses; targets as for `cross_entropy`. Accumulates the gradient
  /// of scale (sum of the model's losses) + draft_scale (sum of the draft's losses).
  template <class Ctx>
  losses train(Ctx& ctx, const token_batch& batch, ids targets, double scale, double draft_scale,
               saved& s) {
    const auto h = model_.hidden(ctx, batch, s.model);
    const auto dh = ctx.template take<T>(h.rows(), model_.dim());
    losses out;
    out.model =
        model_.loss().forward_backward(ctx, view<const T, 2>(h), model_.head(), targets, scale, dh);
    const view<const T, 2> y = draft_hidden(ctx, batch, h, s);
    s.targets.clear();
    for (const std::int32_t row : s.rows) s.targets.push_back(targets[row + 1]);
    const auto dy = ctx.template take<T>(y.rows(), model_.dim());
    out.draft = model_.loss().forward_backward(
        ctx, y, model_.head(), ids(s.targets.data(), s.targets.size()), draft_scale, dy);
    const auto [de, dchosen] = draft_.backward(ctx, view<const T, 2>(dy), s.draft);
    model_.tokens().backward(ctx, view<const T, 2>(de), s.embedding);
    Ctx::backend::scatter_add_rows(ctx, view<const T, 2>(dchosen), s.device_rows, dh);
    model_.backward(ctx, view<const T, 2>(dh), s.model);
    return out;
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    model_.for_each_parameter(visitor);
    draft_.for_each_parameter([&](const parameter_name& rest, auto& p) {
      visitor(parameter_name("drafts", parameter_name(index_t{0}, rest)), p);
    });
  }

 private:
  Model model_;
  draft_type draft_;
};

}  // namespace dsr1
