// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The tensors of gpt-oss.

#include "model/rules.hpp"

#include <dsr1/model/gpt_oss.hpp>

using namespace dsr1;
using namespace rules;

TEST_CASE("gpt_oss: experts together, transposed where they are plain") {
  const weight_rule up = rule_of(small(), gpt_oss_rule, "layers.1.mlp.experts.up");
  REQUIRE(up.parts.size() == 1);
  CHECK(up.transposed);
  CHECK(up.parts[0].tensor == "model.layers.1.mlp.experts.gate_up_proj");
  const weight_rule bias = rule_of(small(), gpt_oss_rule, "layers.1.mlp.experts.down_bias");
  REQUIRE(bias.parts.size() == 1);
  CHECK_FALSE(bias.transposed);
  CHECK(bias.parts[0].tensor == "model.layers.1.mlp.experts.down_proj_bias");
  CHECK(tensors(gpt_oss_rule, "layers.1.mlp.router.bias") ==
        list{"model.layers.1.mlp.router.bias"});
  CHECK(tensors(gpt_oss_rule, "layers.1.attention.sinks") ==
        list{"model.layers.1.self_attn.sinks"});
  CHECK(tensors(gpt_oss_rule, "layers.1.mlp.balance").empty());
}
