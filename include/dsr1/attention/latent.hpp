// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Multi-head latent attention: keys and values come out of one short vector per token.
#pragma once

#include <cmath>
#include <optional>
#include <vector>

#include <dsr1/attention/cache.hpp>
#include <dsr1/attention/latent_heads.hpp>
#include <dsr1/attention/rope.hpp>
#include <dsr1/nn/linear.hpp>
#include <dsr1/nn/rms_norm.hpp>

namespace dsr1 {

struct latent_options {
  rope_options rope = {.layout = rope_layout::interleaved};
  double scale = 0;        ///< of the scores; 0 means 1 / sqrt(plain_dim + rope_dim)
  double norm_eps = 1e-6;  ///< of the norms of both latents
  latent_form form = latent_form::naive;
};

/// y = W_out concat_h softmax(scale q_h k_h^T, causal) v_h; x, y [tokens, dim].
///
/// [c | r] = W_kv_down x, c [kv_rank] normalised, r [rope_dim] rotated: the key all heads share.
/// k_h = [W_k_h c | r] and v_h = W_v_h c, the rows of W_kv_up [heads (plain_dim + value_dim),
/// kv_rank], per head those of k first. q_h [plain_dim + rope_dim] = W_q_up norm(W_q_down x), or
/// W_q x without compression; its last rope_dim elements are rotated. DeepSeek-AI 2024, arXiv
/// 2405.04434, section 2.1; 2412.19437.
///
/// Absorbed: q_h' = [W_k_h^T q_plain_h | q_rope_h] and o_h = sum_j p_j c_j give the same scores and
/// W_v_h o_h the same result, from one key [c | r] for all heads; an open cache holds only that.
/// The forms agree but for rounding; both can be trained. W_kv_up must be plain numbers. With an
/// open cache in `saved`, backward is not possible, and the form must be the one it was opened in.
/// Throws `error` on another width and on sequences that do not cover x.
template <latent_shape Shape = latent_shape{}, class T = float>
class latent_attention {
  static_assert(Shape.rope_dim == dynamic || Shape.rope_dim % 2 == 0,
                "rope_dim must be even, because rotary positions turn pairs");

 public:
  static constexpr std::string_view name = "attention";
  using number = T;

  struct saved {
    typename linear<linear_shape{}, T>::saved q_in, q_up_in, kv_in, out_in;
    typename rms_norm<rms_norm_shape{}, T>::saved q_norm, kv_norm;
    view<T, 2> q;             ///< after rotation
    view<T, 2> latent;        ///< c
    view<T, 2> queries;       ///< as they meet the keys: q itself, or q'
    view<T, 2> keys, values;  ///< of all heads; or the joint key and c in it
    view<T, 2> y;             ///< of the attention alone: o when absorbed
    view<const T, 2> lse;
    latent_form form = latent_form::naive;
    sequence_layout sequences;
    kv_cache<T> cache;
  };

  explicit latent_attention(latent_shape given = Shape, latent_options options = {})
      : shape_(resolve(given)),
        options_(options),
        heads_{shape_},
        q_({.in = shape_.q_rank > 0 ? shape_.q_rank : shape_.dim,
            .out = shape_.heads * shape_.head_dim()}),
        kv_down_({.in = shape_.dim, .out = shape_.kv_rank + shape_.rope_dim}),
        kv_norm_({.dim = shape_.kv_rank}, {.eps = options.norm_eps}),
        kv_up_({shape_.heads * (shape_.plain_dim + shape_.value_dim), shape_.kv_rank},
               {.init = initial::scaled(shape_.kv_rank)}),
        out_({.in = shape_.heads * shape_.value_dim, .out = shape_.dim}),
        rope_(shape_.rope_dim, options.rope) {
    expects(options.scale >= 0, "latent_attention: the scale is ", options.scale,
            ", expected 0 (1 / sqrt(plain_dim + rope_dim)) or more");
    if (shape_.q_rank > 0) {
      q_down_.emplace(linear_shape{.in = shape_.dim, .out = shape_.q_rank});
      q_norm_.emplace(rms_norm_shape{.dim = shape_.q_rank},
                      rms_norm_options{.eps = options.norm_eps});
    }
    for (index_t h = 1; h <= shape_.heads; ++h) head_ends_.push_back(h);
  }

  index_t dim() const { return shape_.dim; }
  const latent_shape& shape() const { return shape_; }
  latent_form form() const { return options_.form; }
  /// Changes the form of later calls, to train in one and decode in the other.
  void form(latent_form next) { options_.form = next; }
  /// The projection to queries, from the compressed ones where there are such.
  linear<linear_shape{}, T>& q() { return q_; }
  parameter<T>& kv_up() { return kv_up_; }
  linear<linear_shape{}, T>& out() { return out_; }

  template <class Ctx>
    requires linear_ops<Ctx, T> && attention_ops<Ctx, T> && norm_ops<Ctx, T> && tensor_ops<Ctx, T>
  view<T, 2> forward(Ctx& ctx, activations<T> x, saved& s) {
    expects(x.columns() == shape_.dim, "latent_attention: x has ", x.columns(),
            " columns, expected ", shape_.dim);
    expects_cover(x.sequences, x.rows());
    s.sequences = x.sequences;
    s.form = options_.form;
    expects(!s.cache.is_open() || s.cache.is_joint() == absorbed(s), "latent_attention: the ",
            absorbed(s) ? "absorbed" : "naive", " form with a cache that was opened in the ",
            absorbed(s) ? "naive" : "absorbed", " form");
    s.q = project_queries(ctx, x, s);
    rotate_queries(ctx, s.q, s.sequences, false);
    const auto kv = kv_down_.forward(ctx, x, s.kv_in);
    s.latent = kv_norm_.forward(ctx, kv.slice_columns(0, shape_.kv_rank), s.kv_norm);
    const auto shared = kv.slice_columns(shape_.kv_rank, shape_.rope_dim);
    rope_.apply(ctx, shared, s.sequences);
    const key_values<T> keys = absorbed(s) ? absorb(ctx, shared, s) : expand(ctx, shared, s);
    const attention_extents e = extents(s.form);
    const auto lse = ctx.template take<T>(x.rows(), shape_.heads);
    s.y = ctx.template take<T>(x.rows(), shape_.heads * e.value_size());
    Ctx::backend::attention(ctx, e, view<const T, 2>(s.queries), keys, view<const T, 1>(),
                            s.sequences, s.y, lse);
    s.lse = lse;
    if (!absorbed(s)) return out_.forward(ctx, s.y, s.out_in);
    const auto y = ctx.template take<T>(x.rows(), shape_.heads * shape_.value_dim);
    each_head_product(ctx, heads_.results(s.y), value_weight(), true, heads_.values(y));
    return out_.forward(ctx, y, s.out_in);
  }

  template <class Ctx>
    requires linear_ops<Ctx, T> && attention_ops<Ctx, T> && norm_ops<Ctx, T> && tensor_ops<Ctx, T>
  view<T, 2> backward(Ctx& ctx, view<const T, 2> dy, const saved& s) {
    expects(!s.cache.is_open(), "latent_attention: backward of a call that used a cache");
    const auto take = [&](const view<T, 2>& like) {
      return ctx.template take<T>(like.rows(), like.columns());
    };
    const auto dvalues = out_.backward(ctx, dy, s.out_in);
    const auto dq = take(s.q), dqueries = absorbed(s) ? take(s.queries) : dq;
    const auto dkeys = take(s.keys), dv = take(s.values), dlatent = take(s.latent);
    const auto dkv = ctx.template take<T>(s.q.rows(), shape_.kv_rank + shape_.rope_dim);
    const auto dshared = dkv.slice_columns(shape_.kv_rank, shape_.rope_dim);
    const auto dw = kv_up_.template gradient<2>();
    const accumulate add = kv_up_.next_gradient();
    auto dout = dvalues;
    if (absorbed(s)) {
      dout = take(s.y);
      for (index_t h = 0; h < shape_.heads; ++h) {
        const auto dvalue = heads_.values(dvalues)[h];
        multiply(ctx, dvalue, value_weight()[h], heads_.results(dout)[h]);
        multiply_add(ctx, transposed(dvalue), heads_.results(s.y)[h], heads_.value_rows(dw)[h],
                     add);
      }
    }
    Ctx::backend::attention_backward(
        ctx, extents(s.form), view<const T, 2>(s.queries), key_values<T>{s.keys, s.values, 0},
        view<const T, 1>(), s.sequences, view<const T, 2>(s.y), s.lse, view<const T, 2>(dout),
        dqueries, dkeys, dv, view<T, 1>(), accumulate::no);
    if (absorbed(s))
      absorb_backward(ctx, s, dqueries, dkeys, dv, dq, dlatent, dshared, heads_.key_rows(dw), add);
    else
      expand_backward(ctx, s, dkeys, dv, dlatent, dshared, dw, add);
    rope_.apply(ctx, dshared, s.sequences, true);
    const auto dc = kv_norm_.backward(ctx, dlatent, s.kv_norm);
    Ctx::backend::copy(ctx, view<const T, 2>(dc), dkv.slice_columns(0, shape_.kv_rank));
    rotate_queries(ctx, dq, s.sequences, true);
    const auto dx = queries_backward(ctx, dq, s);
    Ctx::backend::add(ctx, view<const T, 2>(kv_down_.backward(ctx, dkv, s.kv_in)), dx);
    return dx;
  }

  /// Opens the cache in `saved`, which from then on serves inference only, in the form of now.
  template <class Ctx>
  void open_cache(Ctx& ctx, saved& s, const cache_options& options) const {
    if (options_.form == latent_form::absorbed)
      s.cache.open_joint(ctx, options, 0, shape_.kv_rank + shape_.rope_dim, shape_.kv_rank);
    else
      s.cache.open(ctx, options, 0, shape_.heads * shape_.head_dim(),
                   shape_.heads * shape_.value_dim);
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    if (q_down_) {
      visit_under("q_down", *q_down_, visitor);
      visit_under("q_norm", *q_norm_, visitor);
    }
    visit_under(q_down_ ? "q_up" : "q", q_, visitor);
    visit_under("kv_down", kv_down_, visitor);
    visit_under("kv_norm", kv_norm_, visitor);
    visitor(parameter_name("kv_up", parameter_name("weight")), kv_up_);
    visit_under("out", out_, visitor);
  }

 private:
  using read = view<const T, 2>;

  static latent_shape resolve(latent_shape given) {
    const auto extent = [&](const char* what, index_t latent_shape::*of, index_t smallest = 1) {
      given.*of = resolve_extent(what, Shape.*of, given.*of, smallest);
    };
    extent("latent_attention: dim", &latent_shape::dim);
    extent("latent_attention: heads", &latent_shape::heads);
    extent("latent_attention: q_rank", &latent_shape::q_rank, 0);
    extent("latent_attention: kv_rank", &latent_shape::kv_rank);
    extent("latent_attention: plain_dim", &latent_shape::plain_dim);
    extent("latent_attention: rope_dim", &latent_shape::rope_dim);
    extent("latent_attention: value_dim", &latent_shape::value_dim);
    expects(given.rope_dim % 2 == 0, "latent_attention: rope_dim is ", given.rope_dim,
            ", expected an even number");
    return given;
  }

  static bool absorbed(const saved& s) { return s.form == latent_form::absorbed; }

  attention_extents extents(latent_form form) const {
    const latent_shape& n = shape_;
    const double scale =
        options_.scale > 0 ? options_.scale : 1 / std::sqrt(static_cast<double>(n.head_dim()));
    if (form == latent_form::absorbed)
      return {.heads = n.heads,
              .kv_heads = 1,
              .head_dim = n.kv_rank + n.rope_dim,
              .value_dim = n.kv_rank,
              .scale = scale};
    return {.heads = n.heads,
            .kv_heads = n.heads,
            .head_dim = n.head_dim(),
            .value_dim = n.value_dim,
            .scale = scale};
  }

  view<const T, 3> key_weight() const { return heads_.key_rows(kv_up_.template value<2>()); }
  view<const T, 3> value_weight() const { return heads_.value_rows(kv_up_.template value<2>()); }

  template <class Ctx>
  static void multiply_add(Ctx& ctx, matrix<const T> a, matrix<const T> b, view<T, 2> c,
                           accumulate add) {
    Ctx::backend::matmul(ctx, a, b, c, add, view<const T, 1>());
  }
  template <class Ctx>
  static void multiply(Ctx& ctx, matrix<const T> a, matrix<const T> b, view<T, 2> c) {
    multiply_add(ctx, a, b, c, accumulate::no);
  }

  /// y_h = x_h w_h, or w_h transposed.
  template <class Ctx, class U>
  void each_head_product(Ctx& ctx, const head_columns<U>& x, const view<const T, 3>& w,
                         bool transpose, const head_columns<T>& y) const {
    if (x.all.rows() == 1) {  // one product over all heads keeps every thread busy
      const row_groups one_each(head_ends_);
      return Ctx::backend::m_grouped_matmul(ctx, read(x.of_first_row(shape_.heads)), one_each, w,
                                            transpose, y.of_first_row(shape_.heads), read());
    }
    for (index_t h = 0; h < shape_.heads; ++h) {
      const matrix<const T> weight = w[h];
      multiply(ctx, x[h], transpose ? weight.transposed() : weight, y[h]);
    }
  }

  template <class Ctx>
  view<T, 2> project_queries(Ctx& ctx, const activations<T>& x, saved& s) {
    if (!q_down_) return q_.forward(ctx, x, s.q_up_in);
    const auto low = q_down_->forward(ctx, x, s.q_in);
    return q_.forward(ctx, q_norm_->forward(ctx, low, s.q_norm), s.q_up_in);
  }

  template <class Ctx>
  view<T, 2> queries_backward(Ctx& ctx, view<T, 2> dq, const saved& s) {
    const auto dlow = q_.backward(ctx, dq, s.q_up_in);
    if (!q_down_) return dlow;
    return q_down_->backward(ctx, q_norm_->backward(ctx, dlow, s.q_norm), s.q_in);
  }

  template <class Ctx>
  void rotate_queries(Ctx& ctx, view<T, 2> q, const sequence_layout& sequences, bool inverse) {
    for (index_t h = 0; h < shape_.heads; ++h)
      rope_.apply(ctx, heads_.turned(q)[h], sequences, inverse);
  }

  /// Keys and values of every head.
  template <class Ctx>
  key_values<T> expand(Ctx& ctx, const view<T, 2>& shared, saved& s) {
    s.queries = s.q;
    s.keys = ctx.template take<T>(s.q.rows(), s.q.columns());
    s.values = ctx.template take<T>(s.q.rows(), shape_.heads * shape_.value_dim);
    const head_columns<T> latent{s.latent, 0, 0, shape_.kv_rank};  // the same for all heads
    each_head_product(ctx, latent, key_weight(), true, heads_.plain(s.keys));
    each_head_product(ctx, latent, value_weight(), true, heads_.values(s.values));
    for (index_t h = 0; h < shape_.heads; ++h)
      Ctx::backend::copy(ctx, read(shared), heads_.turned(s.keys)[h]);
    if (s.cache.is_open()) return s.cache.append(ctx, s.keys, s.values, s.sequences);
    return {s.keys, s.values, 0};
  }

  template <class Ctx>
  void expand_backward(Ctx& ctx, const saved& s, view<T, 2> dkeys, view<T, 2> dvalues,
                       view<T, 2> dlatent, view<T, 2> dshared, view<T, 2> dw, accumulate add) {
    for (index_t h = 0; h < shape_.heads; ++h) {
      const auto dk = heads_.plain(dkeys)[h], dv = heads_.values(dvalues)[h];
      multiply_add(ctx, dk, key_weight()[h], dlatent, h > 0 ? accumulate::yes : accumulate::no);
      multiply_add(ctx, dv, value_weight()[h], dlatent, accumulate::yes);
      multiply_add(ctx, transposed(dk), s.latent, heads_.key_rows(dw)[h], add);
      multiply_add(ctx, transposed(dv), s.latent, heads_.value_rows(dw)[h], add);
      if (h == 0)
        Ctx::backend::copy(ctx, read(heads_.turned(dkeys)[h]), dshared);
      else
        Ctx::backend::add(ctx, read(heads_.turned(dkeys)[h]), dshared);
    }
  }

  /// Queries for the latent, and the one key of all heads.
  template <class Ctx>
  key_values<T> absorb(Ctx& ctx, const view<T, 2>& shared, saved& s) {
    const index_t rank = shape_.kv_rank, rope_dim = shape_.rope_dim, rows = s.q.rows();
    s.queries = ctx.template take<T>(rows, shape_.heads * (rank + rope_dim));
    each_head_product(ctx, heads_.plain(s.q), key_weight(), false, heads_.latent(s.queries));
    for (index_t h = 0; h < shape_.heads; ++h)
      Ctx::backend::copy(ctx, read(heads_.turned(s.q)[h]), heads_.latent_turned(s.queries)[h]);
    s.keys = ctx.template take<T>(rows, rank + rope_dim);
    s.values = s.keys.slice_columns(0, rank);
    Ctx::backend::copy(ctx, read(s.latent), s.values);
    Ctx::backend::copy(ctx, read(shared), s.keys.slice_columns(rank, rope_dim));
    if (s.cache.is_open()) return s.cache.append(ctx, s.keys, s.sequences);
    return {s.keys, s.values, 0};
  }

  template <class Ctx>
  void absorb_backward(Ctx& ctx, const saved& s, view<T, 2> dqueries, view<T, 2> dkeys,
                       view<T, 2> dvalues, view<T, 2> dq, view<T, 2> dlatent, view<T, 2> dshared,
                       view<T, 3> dw, accumulate add) {
    for (index_t h = 0; h < shape_.heads; ++h) {
      const auto dabsorbed = heads_.latent(dqueries)[h];
      multiply(ctx, dabsorbed, matrix<const T>(key_weight()[h]).transposed(), heads_.plain(dq)[h]);
      multiply_add(ctx, transposed(heads_.plain(s.q)[h]), dabsorbed, dw[h], add);
      Ctx::backend::copy(ctx, read(heads_.latent_turned(dqueries)[h]), heads_.turned(dq)[h]);
    }
    Ctx::backend::copy(ctx, read(dkeys.slice_columns(0, shape_.kv_rank)), dlatent);
    Ctx::backend::add(ctx, read(dvalues), dlatent);
    Ctx::backend::copy(ctx, read(dkeys.slice_columns(shape_.kv_rank, shape_.rope_dim)), dshared);
  }

  latent_shape shape_;
  latent_options options_;
  latent_heads heads_;
  std::optional<linear<linear_shape{}, T>> q_down_;
  std::optional<rms_norm<rms_norm_shape{}, T>> q_norm_;
  linear<linear_shape{}, T> q_;
  linear<linear_shape{}, T> kv_down_;
  rms_norm<rms_norm_shape{}, T> kv_norm_;
  parameter<T> kv_up_;
  linear<linear_shape{}, T> out_;
  rope<T> rope_;
  std::vector<index_t> head_ends_;  ///< one row for each head
};

}  // namespace dsr1
