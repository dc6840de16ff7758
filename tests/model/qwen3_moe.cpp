// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The tensors of Qwen3-MoE.

#include "model/rules.hpp"

#include <dsr1/model/qwen3_moe.hpp>

using namespace dsr1;
using namespace rules;

TEST_CASE("qwen3_moe: names of router, norms and experts") {
  CHECK(tensors(qwen3_moe_rule, "layers.1.mlp.experts.down") ==
        list{"model.layers.1.mlp.experts.0.down_proj.weight",
             "model.layers.1.mlp.experts.1.down_proj.weight"});
  CHECK(tensors(qwen3_moe_rule, "layers.1.mlp.experts.up")[1] ==
        "model.layers.1.mlp.experts.0.up_proj.weight");
  CHECK(tensors(qwen3_moe_rule, "layers.1.mlp.router.weight") ==
        list{"model.layers.1.mlp.gate.weight"});
  CHECK(tensors(qwen3_moe_rule, "layers.1.attention.q_norm") ==
        list{"model.layers.1.self_attn.q_norm.weight"});
}
