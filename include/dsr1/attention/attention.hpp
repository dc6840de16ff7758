// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Grouped-query attention with rotary positions, a sliding window and sinks.
#pragma once

#include <cmath>
#include <optional>

#include <dsr1/attention/cache.hpp>
#include <dsr1/attention/rope.hpp>
#include <dsr1/nn/linear.hpp>
#include <dsr1/nn/rms_norm.hpp>

namespace dsr1 {

struct attention_shape {
  index_t dim = dynamic;
  index_t heads = dynamic;
  index_t kv_heads = dynamic;
  index_t head_dim = dynamic;
  index_t window = 0;  ///< a query sees this many keys, itself included; 0 means no window
  bool bias = false;   ///< what a type leaves out (window, biases, sinks, norms), its
  bool sinks = false;  ///< constructor may still add
  bool qk_norm = false;

  /// Trained numbers of a layer of this shape, without the norm before it.
  constexpr index_t parameters() const {
    const index_t rows = (heads + 2 * kv_heads) * head_dim;
    return rows * dim + dim * heads * head_dim + (bias ? rows + dim : 0) + (sinks ? heads : 0) +
           (qk_norm ? 2 * head_dim : 0);
  }
  /// Keys and values that a layer of this shape caches for `tokens` tokens, in numbers.
  constexpr index_t cached(index_t tokens) const {
    return 2 * kv_heads * head_dim * (window > 0 && window < tokens ? window : tokens);
  }
};

struct attention_options {
  rope_options rope = {};
  double scale = 0;        ///< of the scores; 0 means 1 / sqrt(head_dim)
  double norm_eps = 1e-6;  ///< of the norms of q and k
};

/// y = W_o concat_h softmax(scale q_h k^T, masked) v + b_o; x, y [tokens, dim].
///
/// q, k, v = W_qkv x + b_qkv, optionally normalised per head (q and k), then rotated. W_qkv
/// [(heads + 2 kv_heads) head_dim, dim] holds the rows of q, k, v in this order. A query sees the
/// keys of its own sequence up to itself, the last `window` of them if there is a window; with
/// sinks, one learned logit per head takes part in the softmax and gives nothing (gpt-oss).
/// No mask and no row of scores is stored; memory grows linearly with the tokens.
/// With an open cache in `saved`, earlier tokens of a sequence are read from there; backward then
/// is not possible. Throws `error` on another width and on sequences that do not cover x.
template <attention_shape Shape = attention_shape{}, class T = float>
class attention {
  static_assert(Shape.heads == dynamic || Shape.kv_heads == dynamic ||
                    Shape.heads % Shape.kv_heads == 0,
                "the number of heads must be a multiple of the number of key-value heads");
  static_assert(Shape.head_dim == dynamic || Shape.head_dim % 2 == 0,
                "head_dim must be even, because rotary positions turn pairs");

 public:
  static constexpr std::string_view name = "attention";
  using number = T;

  struct saved {
    typename linear<linear_shape{}, T>::saved qkv_in, out_in;
    view<T, 2> qkv;  ///< after norm and rotation
    view<T, 2> raw;  ///< q and k before the norm, when there is one
    view<T, 2> inverse;
    view<const T, 2> y, lse;
    sequence_layout sequences;
    kv_cache<T> cache;
  };

  explicit attention(attention_shape given = Shape, attention_options options = {})
      : shape_(resolve(given)),
        options_(options),
        qkv_({.in = shape_.dim,
              .out = (shape_.heads + 2 * shape_.kv_heads) * shape_.head_dim,
              .bias = shape_.bias}),
        out_({.in = shape_.heads * shape_.head_dim, .out = shape_.dim, .bias = shape_.bias}),
        rope_(shape_.head_dim, options.rope) {
    if (shape_.sinks) sinks_ = parameter<T>({shape_.heads});
    if (shape_.qk_norm) {
      q_norm_ = parameter<T>({shape_.head_dim}, {.init = initial::ones()});
      k_norm_ = parameter<T>({shape_.head_dim}, {.init = initial::ones()});
    }
    expects(options.scale >= 0, "attention: the scale is ", options.scale,
            ", expected 0 (1 / sqrt(head_dim)) or more");
  }

  index_t dim() const { return shape_.dim; }
  const attention_shape& shape() const { return shape_; }
  linear<linear_shape{}, T>& qkv() { return qkv_; }
  linear<linear_shape{}, T>& out() { return out_; }

  template <class Ctx>
    requires linear_ops<Ctx, T> && attention_ops<Ctx, T> && norm_ops<Ctx, T> && tensor_ops<Ctx, T>
  view<T, 2> forward(Ctx& ctx, activations<T> x, saved& s) {
    expects(x.columns() == shape_.dim, "attention: x has ", x.columns(), " columns, expected ",
            shape_.dim);
    expects_cover(x.sequences, x.rows());
    s.sequences = x.sequences;
    s.qkv = qkv_.forward(ctx, x, s.qkv_in);
    const auto q = s.qkv.slice_columns(0, q_size()), k = s.qkv.slice_columns(q_size(), kv_size());
    const auto v = s.qkv.slice_columns(q_size() + kv_size(), kv_size());
    if (shape_.qk_norm) normalise(ctx, s);
    rope_.apply(ctx, s.qkv.slice_columns(0, q_size() + kv_size()), x.sequences);
    const key_values<T> kv =
        s.cache.is_open() ? s.cache.append(ctx, k, v, x.sequences) : key_values<T>{k, v, 0};
    const auto y = ctx.template take<T>(x.rows(), q_size());
    const auto lse = ctx.template take<T>(x.rows(), shape_.heads);
    Ctx::backend::attention(ctx, extents(), view<const T, 2>(q), kv, sinks(), x.sequences, y, lse);
    s.y = y;
    s.lse = lse;
    return out_.forward(ctx, y, s.out_in);
  }

  template <class Ctx>
    requires linear_ops<Ctx, T> && attention_ops<Ctx, T> && norm_ops<Ctx, T> && tensor_ops<Ctx, T>
  view<T, 2> backward(Ctx& ctx, view<const T, 2> dy, const saved& s) {
    expects(!s.cache.is_open(), "attention: backward of a call that used a cache");
    const auto dy_heads = out_.backward(ctx, dy, s.out_in);
    const auto dqkv = ctx.template take<T>(s.qkv.rows(), s.qkv.columns());
    const auto part = [&](const view<T, 2>& all, index_t first, index_t count) {
      return all.slice_columns(first, count);
    };
    const auto k = part(s.qkv, q_size(), kv_size()),
               v = part(s.qkv, q_size() + kv_size(), kv_size());
    Ctx::backend::attention_backward(
        ctx, extents(), view<const T, 2>(part(s.qkv, 0, q_size())), key_values<T>{k, v, 0}, sinks(),
        s.sequences, s.y, s.lse, view<const T, 2>(dy_heads), part(dqkv, 0, q_size()),
        part(dqkv, q_size(), kv_size()), part(dqkv, q_size() + kv_size(), kv_size()),
        shape_.sinks ? sinks_.template gradient<1>() : view<T, 1>(),
        shape_.sinks ? sinks_.next_gradient() : accumulate::no);
    rope_.apply(ctx, part(dqkv, 0, q_size() + kv_size()), s.sequences, true);
    if (shape_.qk_norm) normalise_backward(ctx, s, dqkv);
    return qkv_.backward(ctx, dqkv, s.qkv_in);
  }

  /// Opens the cache in `saved`, which from then on serves inference only.
  template <class Ctx>
  void open_cache(Ctx& ctx, saved& s, const cache_options& options) const {
    s.cache.open(ctx, options, shape_.window, kv_size(), kv_size());
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    visit_under("qkv", qkv_, visitor);
    visit_under("out", out_, visitor);
    if (shape_.sinks) visitor(parameter_name("sinks"), sinks_);
    if (!shape_.qk_norm) return;
    visitor(parameter_name("q_norm"), q_norm_);
    visitor(parameter_name("k_norm"), k_norm_);
  }

 private:
  static attention_shape resolve(attention_shape given) {
    given.dim = resolve_extent("attention: dim", Shape.dim, given.dim);
    given.heads = resolve_extent("attention: heads", Shape.heads, given.heads);
    given.kv_heads = resolve_extent("attention: kv_heads", Shape.kv_heads, given.kv_heads);
    given.head_dim = resolve_extent("attention: head_dim", Shape.head_dim, given.head_dim);
    if (Shape.window != 0)
      given.window = resolve_extent("attention: window", Shape.window, given.window);
    expects(given.window >= 0, "attention: the window is ", given.window, ", expected 0 or more");
    expects(given.heads % given.kv_heads == 0, "attention: ", given.heads,
            " heads are no multiple of ", given.kv_heads, " key-value heads");
    given.bias |= Shape.bias;
    given.sinks |= Shape.sinks;
    given.qk_norm |= Shape.qk_norm;
    return given;
  }

  index_t q_size() const { return shape_.heads * shape_.head_dim; }
  index_t kv_size() const { return shape_.kv_heads * shape_.head_dim; }

  attention_extents extents() const {
    return {.heads = shape_.heads,
            .kv_heads = shape_.kv_heads,
            .head_dim = shape_.head_dim,
            .window = shape_.window,
            .scale = options_.scale > 0 ? options_.scale
                                        : 1 / std::sqrt(static_cast<double>(shape_.head_dim))};
  }

  view<const T, 1> sinks() const {
    return shape_.sinks ? sinks_.template value<1>() : view<const T, 1>();
  }

  /// Normalises every head of q and k; keeps them as they were for the backward pass.
  template <class Ctx>
  void normalise(Ctx& ctx, saved& s) {
    const index_t d = shape_.head_dim, heads = shape_.heads + shape_.kv_heads;
    s.raw = ctx.template take<T>(s.qkv.rows(), heads * d);
    s.inverse = ctx.template take<T>(heads, s.qkv.rows());
    Ctx::backend::copy(ctx, view<const T, 2>(s.qkv.slice_columns(0, heads * d)), s.raw);
    for (index_t h = 0; h < heads; ++h)
      Ctx::backend::rms_norm(ctx, view<const T, 2>(s.raw.slice_columns(h * d, d)), norm_of(h),
                             options_.norm_eps, norm_rounding::none, s.qkv.slice_columns(h * d, d),
                             s.inverse[h]);
  }

  template <class Ctx>
  void normalise_backward(Ctx& ctx, const saved& s, view<T, 2> dqkv) {
    const index_t d = shape_.head_dim, heads = shape_.heads + shape_.kv_heads;
    for (index_t h = 0; h < heads; ++h) {
      parameter<T>& norm = h < shape_.heads ? q_norm_ : k_norm_;
      const auto gradient = dqkv.slice_columns(h * d, d);
      Ctx::backend::rms_norm_backward(ctx, view<const T, 2>(gradient),
                                      view<const T, 2>(s.raw.slice_columns(h * d, d)), norm_of(h),
                                      view<const T, 1>(s.inverse[h]), gradient,
                                      norm.template gradient<1>(), norm.next_gradient());
    }
  }

  view<const T, 1> norm_of(index_t h) const {
    return (h < shape_.heads ? q_norm_ : k_norm_).template value<1>();
  }

  attention_shape shape_;
  attention_options options_;
  linear<linear_shape{}, T> qkv_;
  linear<linear_shape{}, T> out_;
  rope<T> rope_;
  parameter<T> sinks_, q_norm_, k_norm_;
};

}  // namespace dsr1
