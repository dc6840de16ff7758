// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The tensors of Qwen3-MoE.
#pragma once

#include <dsr1/model/weight_map.hpp>

namespace dsr1 {

/// Experts one by one; everything else is named as all do.
inline std::optional<weight_rule> qwen3_moe_rule(const model_config& config,
                                                 const std::string& layer, std::string_view rest) {
  return separate_expert_rule(config.experts, layer + "mlp.", rest, "gate_proj", "up_proj",
                              "down_proj");
}

}  // namespace dsr1
