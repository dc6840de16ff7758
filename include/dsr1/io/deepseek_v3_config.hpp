// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The config.json of DeepSeek-V3 and R1.
#pragma once

#include <cmath>

#include <dsr1/io/decoder_config.hpp>

namespace dsr1 {

/// DeepSeek-V3 and R1: latent attention, whose scores are scaled by (plain + rope)^-1/2 m^2 with m
/// = 0.1 mscale_all_dim ln(factor) + 1 under YaRN; the first layers dense, then sigmoid routing in
/// groups with a bias that only chooses, and shared experts as one block. "head_dim", where a file
/// has it, is the rotated part of a head, not the head. The norms inside the attention keep their
/// 1e-6 whatever "rms_norm_eps" says.
inline model_config read_deepseek_v3_config(const json_object& file) {
  using limits = config_limits;
  config_keys keys(file);
  rope_keys positions;
  model_config c = read_decoder(keys, &positions);
  keys.only("attention_bias", false);
  expects(c.kv_heads == c.heads, keys.source(), ": \"num_key_value_heads\" is ", c.kv_heads,
          ", expected \"num_attention_heads\", ", c.heads,
          ", because latent attention has keys for every head");

  c.latent.q_rank = keys.size_or("q_lora_rank", 0, 1, limits::width);
  c.latent.kv_rank = keys.size("kv_lora_rank", 1, limits::width);
  c.latent.plain_dim = keys.size("qk_nope_head_dim", 1, limits::width);
  c.latent.rope_dim = keys.size("qk_rope_head_dim", 2, limits::width);
  c.latent.value_dim = keys.size("v_head_dim", 1, limits::width);
  c.latent.norm_eps = 1e-6;
  expects(c.latent.rope_dim % 2 == 0, keys.source(), ": \"qk_rope_head_dim\" is ",
          c.latent.rope_dim, ", expected an even number");
  c.head_dim = c.latent.plain_dim + c.latent.rope_dim;
  expects(c.heads * (c.head_dim + c.latent.value_dim) <= limits::width, keys.source(), ": ",
          c.heads, " heads of ", c.head_dim, " and ", c.latent.value_dim,
          " numbers, expected at most ", limits::width, " together");
  keys.only("head_dim", c.latent.rope_dim);
  keys.only("qk_head_dim", c.head_dim);
  c.rope.interleaved = keys.get<bool>("rope_interleave", true);
  const double m = positions.yarn ? yarn_growth(c.rope.factor, positions.mscale_all_dim) : 1;
  c.attention_scale = m * m / std::sqrt(static_cast<double>(c.head_dim));

  read_experts(keys, c, {"n_routed_experts", "num_local_experts"}, {"num_experts_per_tok"});
  c.expert_hidden = keys.size("moe_intermediate_size", 1, limits::width);
  c.dense_hidden = keys.size("intermediate_size", 1, limits::width);
  c.shared_hidden = c.expert_hidden * keys.size_or("n_shared_experts", 0, 0, 1024);
  keys.only("moe_layer_freq", index_t{1});
  const index_t dense = keys.size("first_k_dense_replace", 0, limits::layers);
  expects(dense <= c.layers, keys.source(), ": \"first_k_dense_replace\" is ", dense,
          ", expected at most \"num_hidden_layers\", ", c.layers);
  for (index_t i = 0; i < c.layers; ++i) c.sparse.push_back(i >= dense);

  keys.only<std::string>("scoring_func", "sigmoid");
  keys.only<std::string>("topk_method", "noaux_tc");
  c.router = router_rule::sigmoid;
  c.choice_bias = true;
  c.router_epsilon = 1e-20;
  c.normalize = keys.get<bool>("norm_topk_prob");
  c.routed_scale = keys.number("routed_scaling_factor", 1e-6, 1e6);
  c.groups = keys.size_or("n_group", 1, 1, limits::experts);
  c.top_groups = keys.size_or("topk_group", 1, 1, limits::experts);
  expects(c.experts % c.groups == 0 && (c.groups == 1 || c.experts / c.groups >= 2), keys.source(),
          ": \"n_group\" is ", c.groups, ", expected groups of two or more of the ", c.experts,
          " experts");
  expects(c.top_groups <= c.groups, keys.source(), ": \"topk_group\" is ", c.top_groups,
          ", expected at most \"n_group\", ", c.groups);
  expects(c.top_k <= c.top_groups * (c.experts / c.groups), keys.source(),
          ": \"num_experts_per_tok\" is ", c.top_k, ", expected at most the ",
          c.top_groups * (c.experts / c.groups), " experts of the groups that are kept");
  c.balance_loss = keys.number_or("aux_loss_alpha", c.balance_loss, 0, 1e6);
  c.draft_layers = keys.size_or("num_nextn_predict_layers", 0, 0, 64);
  keys.ignore({"ep_size", "pretraining_tp", "seq_aux"});
  keys.add_unknown(c.unknown);
  return c;
}

}  // namespace dsr1
