// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The tensors of DeepSeek-V3.

#include "model/rules.hpp"

#include <dsr1/model/deepseek_v3.hpp>

using namespace dsr1;
using namespace rules;

TEST_CASE("deepseek_v3: latent attention, shared experts, the layer behind the last") {
  CHECK(tensors(deepseek_v3_rule, "layers.2.attention.kv_up.weight") ==
        list{"model.layers.2.self_attn.kv_b_proj.weight"});
  CHECK(tensors(deepseek_v3_rule, "layers.2.attention.q_down.weight") ==
        list{"model.layers.2.self_attn.q_a_proj.weight"});
  CHECK(tensors(deepseek_v3_rule, "layers.2.mlp.balance") ==
        list{"model.layers.2.mlp.gate.e_score_correction_bias"});
  const weight_rule shared = rule_of(small(), deepseek_v3_rule, "layers.2.mlp.shared.up.weight");
  CHECK(shared.alternating);
  CHECK(shared.parts[1].tensor == "model.layers.2.mlp.shared_experts.up_proj.weight");
  CHECK(tensors(deepseek_v3_rule, "layers.0.mlp.down.weight") ==
        list{"model.layers.0.mlp.down_proj.weight"});
  CHECK(tensors(deepseek_v3_rule, "drafts.0.join.weight") == list{"model.layers.4.eh_proj.weight"});
  CHECK(tensors(deepseek_v3_rule, "drafts.0.norm.weight") ==
        list{"model.layers.4.shared_head.norm.weight"});
  CHECK(tensors(deepseek_v3_rule, "drafts.0.mlp.experts.down")[1] ==
        "model.layers.4.mlp.experts.1.down_proj.weight");
}
