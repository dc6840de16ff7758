// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A language model: embedding, body, final norm, head.
#pragma once

#include <concepts>
#include <optional>
#include <utility>

#include <dsr1/backend/context.hpp>
#include <dsr1/loss/cross_entropy.hpp>
#include <dsr1/nn/embedding.hpp>
#include <dsr1/nn/linear.hpp>
#include <dsr1/nn/rms_norm.hpp>

namespace dsr1 {

struct lm_shape {
  index_t vocab = dynamic;
  index_t dim = dynamic;
  bool tied = false;  ///< the head is the embedding table
};

struct lm_options {
  double norm_eps = 1e-5;
  cross_entropy_options loss = {};
};

/// Token ids in host memory, and the sequences they form.
struct token_batch {
  view<const std::int32_t, 1> ids;
  sequence_layout sequences;
};

/// logits[t] = head(norm(body(embedding(id[t])))). The body is any layer that keeps [tokens, dim].
/// Training, evaluation and generation run the same `hidden`; only the head differs.
template <class Body, lm_shape Shape = lm_shape{}>
class causal_lm {
 public:
  using number = typename Body::number;
  using T = number;
  using ids = view<const std::int32_t, 1>;

  struct saved {
    typename embedding<embedding_shape{}, T>::saved embedding;
    typename Body::saved body;
    typename rms_norm<rms_norm_shape{}, T>::saved norm;
  };

  explicit causal_lm(lm_shape given = Shape)
    requires std::default_initializable<Body>
      : causal_lm(given, Body()) {}
  explicit causal_lm(lm_shape given, Body body, lm_options options = {})
      : vocab_(resolve_extent("causal_lm: vocab", Shape.vocab, given.vocab)),
        dim_(resolve_extent("causal_lm: dim", Shape.dim, given.dim)),
        embedding_({.vocab = vocab_, .dim = dim_}),
        body_(std::move(body)),
        norm_({.dim = dim_}, {.eps = options.norm_eps}),
        loss_(options.loss) {
    if (!Shape.tied && !given.tied) head_.emplace(linear_shape{.in = dim_, .out = vocab_});
  }

  index_t vocab() const { return vocab_; }
  index_t dim() const { return dim_; }
  Body& body() { return body_; }
  embedding<embedding_shape{}, T>& tokens() { return embedding_; }
  const cross_entropy<T>& loss() const { return loss_; }
  parameter<T>& head() { return head_ ? head_->weight() : embedding_.table(); }

  /// The state after the final norm, [tokens, dim].
  template <class Ctx>
  view<T, 2> hidden(Ctx& ctx, const token_batch& batch, saved& s) {
    expects_cover(batch.sequences, batch.ids.rows());
    const auto x = embedding_.forward(ctx, batch.ids, s.embedding);
    const auto y = body_.forward(ctx, activations<T>(x, batch.sequences), s.body);
    return norm_.forward(ctx, y, s.norm);
  }

  /// The logits of rows of `hidden`, [rows, vocab].
  template <class Ctx>
  view<T, 2> logits(Ctx& ctx, view<const T, 2> h) {
    const auto y = ctx.template take<T>(h.rows(), vocab_);
    product(ctx, h, head(), y);
    return y;
  }

  /// The loss of a batch; targets as for `cross_entropy`.
  template <class Ctx>
  token_loss evaluate(Ctx& ctx, const token_batch& batch, ids targets, saved& s) {
    const view<const T, 2> h = [&] {
      const inference_mode on(ctx);
      return hidden(ctx, batch, s);
    }();
    return loss_.forward(ctx, h, head(), targets);
  }

  /// Forward and backward: accumulates `scale` times the gradient of the summed token loss (and
  /// the auxiliary losses as the context says), returns the loss.
  template <class Ctx>
  token_loss train(Ctx& ctx, const token_batch& batch, ids targets, double scale, saved& s) {
    const auto h = hidden(ctx, batch, s);
    const auto dh = ctx.template take<T>(h.rows(), dim_);
    const token_loss loss =
        loss_.forward_backward(ctx, view<const T, 2>(h), head(), targets, scale, dh);
    if (head_) announce_gradients(ctx, *head_);
    backward(ctx, dh, s);
    return loss;
  }

  /// From the gradient of what `hidden` returned to those of all parameters but the head's.
  template <class Ctx>
  void backward(Ctx& ctx, view<const T, 2> dh, saved& s) {
    const auto dy = norm_.backward(ctx, dh, s.norm);
    announce_gradients(ctx, norm_);
    const auto dx = body_.backward(ctx, view<const T, 2>(dy), s.body);
    embedding_.backward(ctx, view<const T, 2>(dx), s.embedding);
  }

  /// Opens the key-value caches in `saved`.
  template <class Ctx, class Options>
  void open_cache(Ctx& ctx, saved& s, const Options& options) {
    open_cache_of(body_, ctx, s.body, options);
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    visit_under("embedding", embedding_, visitor);
    visit_under(Body::name, body_, visitor);
    visit_under("norm", norm_, visitor);
    if (head_) visit_under("head", *head_, visitor);
  }

 private:
  index_t vocab_;
  index_t dim_;
  embedding<embedding_shape{}, T> embedding_;
  Body body_;
  rms_norm<rms_norm_shape{}, T> norm_;
  std::optional<linear<linear_shape{}, T>> head_;
  cross_entropy<T> loss_;
};

}  // namespace dsr1
