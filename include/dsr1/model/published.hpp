// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Published decoders as compositions of layers, built from a config.
#pragma once

#include <limits>
#include <utility>

#include <dsr1/attention/attention.hpp>
#include <dsr1/attention/latent.hpp>
#include <dsr1/io/model_config.hpp>
#include <dsr1/model/multi_token.hpp>
#include <dsr1/moe/moe.hpp>
#include <dsr1/nn/either.hpp>
#include <dsr1/nn/repeat.hpp>
#include <dsr1/nn/residual.hpp>
#include <dsr1/nn/sequential.hpp>

namespace dsr1 {

/// Experts, or one dense block where a layer has none.
template <class Moe>
class expert_or_dense
    : public either<Moe, feed_forward<feed_forward_shape{}, typename Moe::number>> {
  using base = either<Moe, feed_forward<feed_forward_shape{}, typename Moe::number>>;

 public:
  static constexpr std::string_view name = "mlp";
  using experts = Moe;
  using dense = feed_forward<feed_forward_shape{}, typename Moe::number>;
  using base::base;
};

/// The types of a decoder whose blocks are x += attention(norm(x)), x += mlp(norm(x)). Attention
/// is `attention` or `latent_attention`; both types may fix their shapes or leave them open.
template <class Attention, class Gate, class T = typename Attention::number,
          moe_shape Shape = moe_shape{}>
struct published {
  using gate = Gate;
  using moe_type = moe<Shape, Gate, no_balance, T>;
  using mlp = expert_or_dense<moe_type>;
  using block = sequential<residual<pre_norm<Attention>>, residual<pre_norm<mlp>>>;
  using body = repeat<block>;
  using model = causal_lm<body>;
  using draft = multi_token_layer<block>;
  using multi_token = multi_token_lm<model, block>;

  /// Block `layer`; layers behind the last are those of multi-token prediction.
  static block make_block(const model_config& c, index_t layer) {
    const rms_norm_options norm{.eps = c.norm_eps};
    return block(residual(pre_norm(make_attention(c, layer), norm)),
                 residual(pre_norm(make_mlp(c, layer), norm)));
  }

  static model make(const model_config& c) {
    return model({.vocab = c.vocab, .dim = c.dim, .tied = c.tied},
                 body(c.layers, [&](index_t i) { return make_block(c, i); }),
                 {.norm_eps = c.norm_eps});
  }

  /// The form of latent attention: absorbed for decoding. Does nothing to plain attention.
  static void use_form([[maybe_unused]] block& b, [[maybe_unused]] latent_form form) {
    auto& attention = b.template get<0>().inner().inner();
    if constexpr (requires { attention.form(form); }) attention.form(form);
  }
  static void use_form(model& m, latent_form form) {
    for (index_t i = 0; i < m.body().count(); ++i) use_form(m.body()[i], form);
  }

  /// The model with its multi-token-prediction layer. Throws `error` when it does not have one.
  static multi_token make_multi_token(const model_config& c) {
    expects(c.draft_layers == 1, "the model has ", c.draft_layers,
            " multi-token-prediction layers, expected 1");
    return {make(c), draft(c.dim, make_block(c, c.layers), {.eps = c.norm_eps})};
  }

 private:
  static Attention make_attention(const model_config& c, index_t layer) {
    const rope_options rope{
        .theta = c.rope.theta,
        .layout = c.rope.interleaved ? rope_layout::interleaved : rope_layout::half_split,
        .yarn = {.factor = c.rope.factor,
                 .beta_fast = c.rope.beta_fast,
                 .beta_slow = c.rope.beta_slow,
                 .original_length = c.rope.original_length,
                 .truncate = c.rope.truncate,
                 .concentration = c.rope.concentration}};
    if constexpr (requires(Attention a) { a.kv_up(); }) {
      return Attention({.dim = c.dim,
                        .heads = c.heads,
                        .q_rank = c.latent.q_rank,
                        .kv_rank = c.latent.kv_rank,
                        .plain_dim = c.latent.plain_dim,
                        .rope_dim = c.latent.rope_dim,
                        .value_dim = c.latent.value_dim},
                       {.rope = rope, .scale = c.attention_scale, .norm_eps = c.latent.norm_eps});
    } else {
      expects(c.latent.kv_rank == 0, "model type ", c.model_type,
              " has latent attention, the type of this model has not");
      return Attention({.dim = c.dim,
                        .heads = c.heads,
                        .kv_heads = c.kv_heads,
                        .head_dim = c.head_dim,
                        .window = layer < c.layers ? c.window[static_cast<std::size_t>(layer)] : 0,
                        .bias = c.attention_bias,
                        .sinks = c.sinks,
                        .qk_norm = c.qk_norm},
                       {.rope = rope, .scale = c.attention_scale, .norm_eps = c.norm_eps});
    }
  }

  static mlp make_mlp(const model_config& c, index_t layer) {
    const glu unit{.alpha = c.glu_alpha,
                   .limit = c.glu_limit > 0 ? c.glu_limit : std::numeric_limits<double>::infinity(),
                   .offset = c.glu_offset};
    if (layer < c.layers && !c.sparse[static_cast<std::size_t>(layer)])
      return mlp(typename mlp::dense({.dim = c.dim, .hidden = c.dense_hidden}, unit));
    return mlp(moe_type({.dim = c.dim,
                         .hidden = c.expert_hidden,
                         .experts = c.experts,
                         .top_k = c.top_k,
                         .shared_hidden = c.shared_hidden,
                         .router_bias = c.router_bias,
                         .expert_bias = c.expert_bias},
                        make_gate(c), {}, {.unit = unit}));
  }

  static Gate make_gate(const model_config& c) {
    if constexpr (requires(Gate g) { g.top_groups; })
      return Gate{.normalize = c.normalize,
                  .scale = c.routed_scale,
                  .epsilon = c.router_epsilon,
                  .groups = c.groups,
                  .top_groups = c.top_groups};
    else
      return Gate{};
  }
};

}  // namespace dsr1
