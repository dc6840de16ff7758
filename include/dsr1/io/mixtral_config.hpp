// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The config.json of Mixtral.
#pragma once

#include <dsr1/io/decoder_config.hpp>

namespace dsr1 {

/// Mixtral: the softmax over all experts, of which the chosen are divided by their sum; a window on
/// every layer or on none.
inline model_config read_mixtral_config(const json_object& file) {
  using limits = config_limits;
  config_keys keys(file);
  model_config c = read_decoder(keys);
  read_head_dim(keys, c, false);
  c.window.assign(static_cast<std::size_t>(c.layers),
                  keys.size_or("sliding_window", 0, 1, limits::context));
  read_experts(keys, c, {"num_local_experts", "num_experts"}, {"num_experts_per_tok"});
  c.expert_hidden = keys.size("intermediate_size", 1, limits::width);
  c.sparse.assign(static_cast<std::size_t>(c.layers), true);
  c.router = router_rule::softmax;
  c.normalize = true;
  keys.ignore({"router_jitter_noise"});
  keys.add_unknown(c.unknown);
  return c;
}

}  // namespace dsr1
