// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The tensors of DeepSeek-V3 and R1.
#pragma once

#include <dsr1/model/weight_map.hpp>

namespace dsr1 {

/// Latent attention, a bias that only chooses, a shared expert, and the layers that predict
/// further tokens.
inline std::optional<weight_rule> deepseek_v3_rule(const model_config& config,
                                                   const std::string& layer,
                                                   std::string_view rest) {
  static constexpr std::pair<std::string_view, const char*> names[] = {
      {"attention.q.weight", "self_attn.q_proj.weight"},
      {"attention.q_down.weight", "self_attn.q_a_proj.weight"},
      {"attention.q_norm.weight", "self_attn.q_a_layernorm.weight"},
      {"attention.q_up.weight", "self_attn.q_b_proj.weight"},
      {"attention.kv_down.weight", "self_attn.kv_a_proj_with_mqa.weight"},
      {"attention.kv_norm.weight", "self_attn.kv_a_layernorm.weight"},
      {"attention.kv_up.weight", "self_attn.kv_b_proj.weight"},
      {"mlp.balance", "mlp.gate.e_score_correction_bias"},
      {"mlp.shared.down.weight", "mlp.shared_experts.down_proj.weight"},
      {"embedding_norm.weight", "enorm.weight"},
      {"hidden_norm.weight", "hnorm.weight"},
      {"join.weight", "eh_proj.weight"},
      {"norm.weight", "shared_head.norm.weight"}};
  for (const auto& [ours, theirs] : names)
    if (rest == ours) return weight_rule::one(layer + theirs);
  if (rest == "mlp.shared.up.weight")
    return weight_rule::alternate({layer + "mlp.shared_experts.gate_proj.weight",
                                   layer + "mlp.shared_experts.up_proj.weight"});
  return separate_expert_rule(config.experts, layer + "mlp.", rest, "gate_proj", "up_proj",
                              "down_proj");
}

}  // namespace dsr1
