// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The tensors of gpt-oss.
#pragma once

#include <dsr1/model/weight_map.hpp>

namespace dsr1 {

/// One tensor for all experts of a layer, gate and linear rows alternating as here. Plain weights
/// are stored as [experts, in, out], codes as [experts, out, in].
inline std::optional<weight_rule> gpt_oss_rule(const model_config&, const std::string& layer,
                                               std::string_view rest) {
  const std::string mlp = layer + "mlp.";
  const auto experts = [&](const char* tensor) {
    weight_rule r = weight_rule::one(mlp + "experts." + tensor);
    r.transposed = true;
    return r;
  };
  if (rest == "mlp.experts.up") return experts("gate_up_proj");
  if (rest == "mlp.experts.down") return experts("down_proj");
  if (rest == "mlp.experts.up_bias") return weight_rule::one(mlp + "experts.gate_up_proj_bias");
  if (rest == "mlp.experts.down_bias") return weight_rule::one(mlp + "experts.down_proj_bias");
  if (rest == "mlp.router.weight") return weight_rule::one(mlp + "router.weight");
  if (rest == "mlp.router.bias") return weight_rule::one(mlp + "router.bias");
  return std::nullopt;
}

}  // namespace dsr1
