// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Which tensors of a checkpoint make up a parameter: what all families share.

#include "model/rules.hpp"

#include <dsr1/model/weight_map.hpp>

using namespace dsr1;
using namespace rules;

namespace {

/// A family that differs in nothing.
std::optional<weight_rule> plain(const model_config&, const std::string&, std::string_view) {
  return std::nullopt;
}

}  // namespace

TEST_CASE("weight_map: embedding, norms, head and attention") {
  CHECK(tensors(plain, "embedding.weight") == list{"model.embed_tokens.weight"});
  CHECK(tensors(plain, "norm.weight") == list{"model.norm.weight"});
  CHECK(tensors(plain, "head.weight") == list{"lm_head.weight"});
  CHECK(tensors(plain, "layers.3.mlp.norm.weight") ==
        list{"model.layers.3.post_attention_layernorm.weight"});
  const weight_rule qkv = rule_of(small(), plain, "layers.12.attention.qkv.weight");
  CHECK(qkv.per_matrix == 3);
  CHECK_FALSE(qkv.alternating);
  CHECK(qkv.parts[1].tensor == "model.layers.12.self_attn.k_proj.weight");
  const weight_rule up = rule_of(small(), plain, "layers.0.mlp.up.weight");
  CHECK(up.per_matrix == 2);
  CHECK(up.alternating);
  CHECK(rule_of(small(), plain, "layers.0.mlp.balance").parts.empty());
}

TEST_CASE("weight_map: experts one by one") {
  const auto up = separate_expert_rule(3, "x.", "mlp.experts.up", "g", "u", "d");
  REQUIRE(up.has_value());
  CHECK(up->per_matrix == 2);
  CHECK(up->alternating);
  CHECK(up->parts.size() == 6);
  CHECK(up->parts[3].tensor == "x.experts.1.u.weight");
  const auto down = separate_expert_rule(3, "x.", "mlp.experts.down", "g", "u", "d");
  REQUIRE(down.has_value());
  CHECK(down->per_matrix == 1);
  CHECK_FALSE(down->alternating);
  CHECK(down->parts[2].tensor == "x.experts.2.d.weight");
  CHECK_FALSE(separate_expert_rule(3, "x.", "mlp.router.weight", "g", "u", "d").has_value());
}

TEST_CASE("weight_map: layers behind the last are spare") {
  CHECK(is_spare_tensor(small(), "model.layers.4.embed_tokens.weight"));
  CHECK_FALSE(is_spare_tensor(small(), "model.layers.3.mlp.gate.weight"));
  CHECK_FALSE(is_spare_tensor(small(), "model.layers.40.mlp.gate.weight"));
}

TEST_CASE("weight_map: a parameter that is not known") {
  for (const char* name : {"layers.0.attention.kv_up.weight", "layers.x.mlp.norm.weight",
                           "layers.3", "drafts.", "nothing"})
    CHECK_THROWS_WITH(tensors(plain, name),
                      std::string("family some_type has no tensor for parameter ") + name);
}
