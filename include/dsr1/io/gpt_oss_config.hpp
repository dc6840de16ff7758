// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The config.json of gpt-oss.
#pragma once

#include <dsr1/io/decoder_config.hpp>

namespace dsr1 {

/// gpt-oss: windows on every other layer (the even ones, unless "layer_types" says otherwise),
/// sinks and biases everywhere, the softmax over the chosen experts only, gated units that are
/// clamped.
inline model_config read_gpt_oss_config(const json_object& file) {
  using limits = config_limits;
  config_keys keys(file);
  std::optional<index_t> initial;
  if (keys.has("initial_context_length"))
    initial = keys.size("initial_context_length", 1, limits::context);
  rope_keys positions;
  model_config c = read_decoder(keys, &positions, initial);
  expects(!initial || !positions.yarn || *initial == c.rope.original_length, keys.source(),
          ": \"initial_context_length\" is ", initial.value_or(0),
          ", but \"original_max_position_embeddings\" is ", c.rope.original_length,
          "; expected the same");
  c.attention_bias = keys.get<bool>("attention_bias", true);
  read_head_dim(keys, c, true);

  const index_t window = keys.size_or("sliding_window", 0, 1, limits::context);
  if (auto windows = read_layer_types(keys, c.layers, window))
    c.window = std::move(*windows);
  else
    for (std::size_t i = 0; i < c.window.size(); i += 2) c.window[i] = window;
  c.sinks = true;

  read_experts(keys, c, {"num_local_experts", "num_experts"},
               {"num_experts_per_tok", "experts_per_token"});
  c.expert_hidden = keys.size("intermediate_size", 1, limits::width);
  c.sparse.assign(static_cast<std::size_t>(c.layers), true);
  c.router = router_rule::top_k_softmax;
  c.router_bias = true;
  c.expert_bias = true;
  c.glu_alpha = keys.number_or("swiglu_alpha", 1.702, 1e-6, 1e6);
  c.glu_limit = keys.number_or("swiglu_limit", 7, 1e-6, 1e6);
  c.glu_offset = 1;
  keys.add_unknown(c.unknown);
  return c;
}

}  // namespace dsr1
