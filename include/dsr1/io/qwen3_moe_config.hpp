// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The config.json of Qwen3-MoE.
#pragma once

#include <dsr1/io/decoder_config.hpp>

namespace dsr1 {

/// Qwen3-MoE: norms of q and k per head; layer i has experts if it is not one of "mlp_only_layers"
/// and (i + 1) % "decoder_sparse_step" is 0; the layers from "max_window_layers" on have a window
/// if "use_sliding_window" says so. "norm_topk_prob" must be there: published files and the classes
/// that read them disagree about its default.
inline model_config read_qwen3_moe_config(const json_object& file) {
  using limits = config_limits;
  config_keys keys(file);
  model_config c = read_decoder(keys);
  read_head_dim(keys, c, true);
  c.qk_norm = true;

  const bool slides = keys.get<bool>("use_sliding_window", false);
  const index_t named = keys.size_or("sliding_window", 0, 1, limits::context);
  const index_t first = keys.size_or("max_window_layers", 0, 0, limits::layers);
  expects(!slides || named > 0, keys.source(),
          ": \"use_sliding_window\" is true, but there is no \"sliding_window\"");
  const index_t window = slides ? named : 0;
  if (auto windows = read_layer_types(keys, c.layers, window))
    c.window = std::move(*windows);
  else
    for (index_t i = first; i < c.layers; ++i) c.window[static_cast<std::size_t>(i)] = window;

  read_experts(keys, c, {"num_experts", "num_local_experts"}, {"num_experts_per_tok"});
  c.expert_hidden = keys.size("moe_intermediate_size", 1, limits::width);
  c.dense_hidden = keys.size("intermediate_size", 1, limits::width);
  const index_t step = keys.size_or("decoder_sparse_step", 1, 1, limits::layers);
  for (index_t i = 0; i < c.layers; ++i) c.sparse.push_back((i + 1) % step == 0);
  for (const index_t i : keys.get<std::vector<index_t>>("mlp_only_layers", {})) {
    expects(i >= 0 && i < c.layers, keys.source(), ": \"mlp_only_layers\" has ", i,
            ", expected layers from 0 to ", c.layers - 1);
    c.sparse[static_cast<std::size_t>(i)] = false;
  }
  c.router = router_rule::softmax;
  c.normalize = keys.get<bool>("norm_topk_prob");
  keys.add_unknown(c.unknown);
  return c;
}

}  // namespace dsr1
