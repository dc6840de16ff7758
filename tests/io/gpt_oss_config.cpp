// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The configuration of gpt-oss.

#include "catch.hpp"
#include "io/published_configs.hpp"

#include <dsr1/io/gpt_oss_config.hpp>

using namespace dsr1;
using published::changed;
using published::refusal;

TEST_CASE("gpt_oss_config: the published file") {
  const model_config c = read_gpt_oss_config(changed(published::gpt_oss_120b));
  CHECK(c.model_type == "gpt_oss");
  CHECK(c.vocab == 201'088);
  CHECK(c.dim == 2880);
  CHECK(c.layers == 36);
  CHECK(c.context == 131'072);
  CHECK_FALSE(c.tied);
  CHECK(c.norm_eps == 1e-5);
  CHECK(c.heads == 64);
  CHECK(c.kv_heads == 8);
  CHECK(c.head_dim == 64);
  CHECK(c.attention_bias);
  CHECK(c.sinks);
  CHECK_FALSE(c.qk_norm);
  CHECK(c.attention_scale == 0);
  REQUIRE(c.window.size() == 36);
  for (std::size_t i = 0; i < 36; ++i) CHECK(c.window[i] == (i % 2 ? 0 : 128));
  CHECK(c.rope.theta == 150'000);
  CHECK_FALSE(c.rope.interleaved);
  CHECK(c.rope.factor == 32);
  CHECK(c.rope.original_length == 4096);
  CHECK_FALSE(c.rope.truncate);
  CHECK(c.rope.concentration == Approx(1.3465736).epsilon(1e-7));
  CHECK(c.latent == latent_config{});
  CHECK(c.sparse == std::vector<bool>(36, true));
  CHECK(c.dense_hidden == 0);
  CHECK(c.experts == 128);
  CHECK(c.top_k == 4);
  CHECK(c.expert_hidden == 2880);
  CHECK(c.shared_hidden == 0);
  CHECK(c.router_bias);
  CHECK(c.expert_bias);
  CHECK_FALSE(c.choice_bias);
  CHECK(c.router == router_rule::top_k_softmax);
  CHECK(c.routed_scale == 1);
  CHECK(c.balance_loss == 0.9);
  CHECK(c.glu_alpha == 1.702);
  CHECK(c.glu_limit == 7);
  CHECK(c.glu_offset == 1);
  CHECK(c.draft_layers == 0);
  CHECK(c.end == std::vector<std::int32_t>{200'002});
  CHECK(c.begin == -1);
  CHECK(c.padding == 199'999);
  CHECK(c.quantization == "mxfp4");
  CHECK(c.unknown.empty());
}

TEST_CASE("gpt_oss_config: what a file may say otherwise") {
  const auto read = [](std::string_view patch) {
    return read_gpt_oss_config(changed(published::gpt_oss_120b, patch));
  };
  CHECK(read(R"({"num_hidden_layers": 3, "layer_types":
                 ["full_attention", "sliding_attention", "sliding_attention"]})")
            .window == std::vector<index_t>{0, 128, 128});
  CHECK(read(R"({"sliding_window": null})").window == std::vector<index_t>(36));
  CHECK(read(R"({"swiglu_alpha": 1.5})").glu_alpha == 1.5);
  CHECK(read(R"({"swiglu_limit": null})").glu_limit == 7);
  CHECK(read(R"({"experts_per_token": null})").top_k == 4);
  CHECK(read(R"({"num_experts_per_tok": null})").top_k == 4);
  CHECK(read(R"({"num_local_experts": null, "num_experts": 16})").experts == 16);
  // Where YaRN does not name the length, the file does.
  const model_config c = read(R"({"initial_context_length": 2048,
                                  "rope_scaling": {"original_max_position_embeddings": null}})");
  CHECK(c.rope.original_length == 2048);
  CHECK(read(R"({"eos_token_id": [200002, 199999, 200012]})").end ==
        std::vector<std::int32_t>{200'002, 199'999, 200'012});
}

TEST_CASE("gpt_oss_config: what is refused") {
  const refusal all[] = {
      {R"({"layer_types": ["full_attention"]})", "\"layer_types\" has 1 entries",
       "expected \"num_hidden_layers\", 36"},
      {R"({"num_hidden_layers": 1, "layer_types": ["linear_attention"]})",
       "\"layer_types\"[0] is \"linear_attention\"", "expected \"sliding_attention\" or"},
      {R"({"num_hidden_layers": 1, "sliding_window": null, "layer_types": ["sliding_attention"]})",
       "\"layer_types\"[0] is \"sliding_attention\", but there is no \"sliding_window\""},
      {R"({"experts_per_token": 2})", "\"experts_per_token\" is 2",
       "but \"num_experts_per_tok\" is 4; expected the same"},
      {R"({"num_experts": 32})", "\"num_experts\" is 32",
       "but \"num_local_experts\" is 128; expected the same"},
      {R"({"initial_context_length": 8192})", "\"initial_context_length\" is 8192",
       "but \"original_max_position_embeddings\" is 4096; expected the same"},
      {R"({"experts_per_token": 200, "num_experts_per_tok": 200})",
       "\"num_experts_per_tok\" is 200, expected at most the number of experts, 128"},
      {R"({"sliding_window": 0})", "\"sliding_window\" is 0, expected 1 to"},
      {R"({"head_dim": null})", "\"head_dim\" is missing"},
      {R"({"head_dim": 63})", "the heads have 63 numbers, expected an even number"},
      {R"({"head_dim": 4096})", "64 heads of 4096 numbers, expected at most 131072 together"},
      {R"({"swiglu_limit": -7})", "\"swiglu_limit\" is -7, expected"},
      {R"({"swiglu_alpha": 0})", "\"swiglu_alpha\" is 0, expected"},
  };
  published::check_refused(read_gpt_oss_config, published::gpt_oss_120b, all);
}
