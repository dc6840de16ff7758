// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The tensors of Mixtral.
#pragma once

#include <dsr1/model/weight_map.hpp>

namespace dsr1 {

/// Experts one by one; w1 is the gate, w3 the linear part, w2 the way down.
inline std::optional<weight_rule> mixtral_rule(const model_config& config, const std::string& layer,
                                               std::string_view rest) {
  const std::string mlp = layer + "block_sparse_moe.";
  if (rest == "mlp.router.weight") return weight_rule::one(mlp + "gate.weight");
  return separate_expert_rule(config.experts, mlp, rest, "w1", "w3", "w2");
}

}  // namespace dsr1
