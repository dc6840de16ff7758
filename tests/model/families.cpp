// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The families and the types of model for a config.

#include <type_traits>

#include "catch.hpp"

#include <dsr1/model/families.hpp>

using namespace dsr1;

namespace {

/// 0 latent and sigmoid, 1 top-k softmax, 2 softmax.
int kind(const model_config& c) {
  return with_published<float>(c, []<class Published>(Published) {
    using gate = typename Published::gate;
    return std::is_same_v<gate, sigmoid_gate>         ? 0
           : std::is_same_v<gate, top_k_softmax_gate> ? 1
                                                      : 2;
  });
}

}  // namespace

TEST_CASE("families: found by the model type") {
  for (const family& f : families) CHECK(family_of(f.model_type) == f.rule);
  CHECK_THROWS_WITH(family_of("llama"),
                    "unknown model type \"llama\", expected one of deepseek_v3, gpt_oss, mixtral, "
                    "qwen3_moe");
}

TEST_CASE("families: the type for a config") {
  model_config c;
  c.model_type = "x";
  c.router = router_rule::softmax;
  CHECK(kind(c) == 2);
  c.router = router_rule::top_k_softmax;
  CHECK(kind(c) == 1);
  c.router = router_rule::sigmoid;
  CHECK_THROWS_WITH(kind(c), Catch::Matchers::Contains("with a sigmoid router"));
  c.latent.kv_rank = 8;
  CHECK(kind(c) == 0);
  c.router = router_rule::softmax;
  CHECK_THROWS_WITH(kind(c), Catch::Matchers::Contains("another router than sigmoid"));
}
