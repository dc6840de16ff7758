// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The configuration of Qwen3-MoE.

#include "catch.hpp"
#include "io/published_configs.hpp"

#include <dsr1/io/qwen3_moe_config.hpp>

using namespace dsr1;
using published::changed;
using published::refusal;

TEST_CASE("qwen3_moe_config: the published file") {
  const model_config c = read_qwen3_moe_config(changed(published::qwen3_30b_a3b));
  CHECK(c.model_type == "qwen3_moe");
  CHECK(c.vocab == 151'936);
  CHECK(c.dim == 2048);
  CHECK(c.layers == 48);
  CHECK(c.context == 40'960);
  CHECK_FALSE(c.tied);
  CHECK(c.norm_eps == 1e-6);
  CHECK(c.heads == 32);
  CHECK(c.kv_heads == 4);
  CHECK(c.head_dim == 128);
  CHECK(c.qk_norm);
  CHECK_FALSE(c.attention_bias);
  CHECK_FALSE(c.sinks);
  CHECK(c.window == std::vector<index_t>(48));
  CHECK(c.rope == rope_config{.theta = 1e6});
  CHECK(c.sparse == std::vector<bool>(48, true));
  CHECK(c.dense_hidden == 6144);
  CHECK(c.experts == 128);
  CHECK(c.top_k == 8);
  CHECK(c.expert_hidden == 768);
  CHECK(c.router == router_rule::softmax);
  CHECK(c.normalize);
  CHECK(c.balance_loss == 0.001);
  CHECK(c.end == std::vector<std::int32_t>{151'645});
  CHECK(c.begin == 151'643);
  CHECK(c.quantization.empty());
  CHECK(c.unknown.empty());
}

TEST_CASE("qwen3_moe_config: what a file may say otherwise") {
  const auto read = [](std::string_view patch) {
    return read_qwen3_moe_config(changed(published::qwen3_30b_a3b, patch));
  };
  const model_config mixed = read(
      R"({"num_hidden_layers": 6, "decoder_sparse_step": 2, "mlp_only_layers": [3],
          "norm_topk_prob": false, "tie_word_embeddings": true})");
  CHECK(mixed.sparse == std::vector<bool>{false, true, false, false, false, true});
  CHECK_FALSE(mixed.normalize);
  CHECK(mixed.tied);
  CHECK(read(R"({"num_experts": null, "num_local_experts": 64})").experts == 64);
  CHECK(read(R"({"attention_bias": true})").attention_bias);
  // A window: not unless it is used, and then from a layer on.
  CHECK(read(R"({"sliding_window": 512})").window == std::vector<index_t>(48));
  const model_config slides = read(
      R"({"num_hidden_layers": 4, "max_window_layers": 2, "sliding_window": 9,
          "use_sliding_window": true})");
  CHECK(slides.window == std::vector<index_t>{0, 0, 9, 9});
  CHECK(read(R"({"num_hidden_layers": 2, "sliding_window": 9, "use_sliding_window": true,
                 "layer_types": ["sliding_attention", "full_attention"]})")
            .window == std::vector<index_t>{9, 0});
  const model_config yarn = read(
      R"({"rope_scaling": {"rope_type": "yarn", "factor": 4.0,
                           "original_max_position_embeddings": 32768}})");
  CHECK(yarn.rope.factor == 4);
  CHECK(yarn.rope.original_length == 32'768);
  CHECK(yarn.rope.truncate);
  CHECK(yarn.rope.concentration == Approx(0.1 * std::log(4.) + 1));
  CHECK(yarn.attention_scale == 0);
}

TEST_CASE("qwen3_moe_config: what is refused") {
  const refusal all[] = {
      {R"({"norm_topk_prob": null})", "\"norm_topk_prob\" is missing"},
      {R"({"num_local_experts": 64})", "\"num_local_experts\" is 64",
       "but \"num_experts\" is 128; expected the same"},
      {R"({"mlp_only_layers": [48]})", "\"mlp_only_layers\" has 48", "from 0 to 47"},
      {R"({"mlp_only_layers": [-1]})", "\"mlp_only_layers\" has -1"},
      {R"({"decoder_sparse_step": 0})", "\"decoder_sparse_step\" is 0, expected 1 to"},
      {R"({"use_sliding_window": true})", "\"use_sliding_window\" is true",
       "there is no \"sliding_window\""},
      {R"({"head_dim": null})", "\"head_dim\" is missing"},
      {R"({"layer_types": []})", "\"layer_types\" has 0 entries"},
  };
  published::check_refused(read_qwen3_moe_config, published::qwen3_30b_a3b, all);
}
