// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The configuration of DeepSeek-V3 and R1.

#include "catch.hpp"
#include "io/published_configs.hpp"

#include <dsr1/io/deepseek_v3_config.hpp>

using namespace dsr1;
using published::changed;
using published::refusal;

TEST_CASE("deepseek_v3_config: the published file") {
  const model_config c = read_deepseek_v3_config(changed(published::deepseek_v3));
  CHECK(c.model_type == "deepseek_v3");
  CHECK(c.vocab == 129'280);
  CHECK(c.dim == 7168);
  CHECK(c.layers == 61);
  CHECK(c.context == 163'840);
  CHECK_FALSE(c.tied);
  CHECK(c.norm_eps == 1e-6);
  CHECK(c.heads == 128);
  CHECK(c.kv_heads == 128);
  CHECK(c.head_dim == 192);
  CHECK(c.latent == latent_config{1536, 512, 128, 64, 128, 1e-6});
  CHECK_FALSE(c.attention_bias);
  CHECK(c.attention_scale == Approx(0.1352338).epsilon(1e-6));
  CHECK(c.window == std::vector<index_t>(61));
  CHECK(c.rope == rope_config{10'000, true, 40, 32, 1, 4096, true, 1});
  CHECK(published::layers_with(c, [&](std::size_t i) { return c.sparse[i]; }) == 58);
  CHECK_FALSE(c.sparse[2]);
  CHECK(c.sparse[3]);
  CHECK(c.dense_hidden == 18'432);
  CHECK(c.experts == 256);
  CHECK(c.top_k == 8);
  CHECK(c.expert_hidden == 2048);
  CHECK(c.shared_hidden == 2048);
  CHECK(c.choice_bias);
  CHECK_FALSE(c.router_bias);
  CHECK(c.router == router_rule::sigmoid);
  CHECK(c.normalize);
  CHECK(c.routed_scale == 2.5);
  CHECK(c.router_epsilon == 1e-20);
  CHECK(c.groups == 8);
  CHECK(c.top_groups == 4);
  CHECK(c.balance_loss == 0.001);
  CHECK(c.glu_alpha == 1);
  CHECK(c.glu_limit == 0);
  CHECK(c.draft_layers == 1);
  CHECK(c.end == std::vector<std::int32_t>{1});
  CHECK(c.begin == 0);
  CHECK(c.padding == -1);
  CHECK(c.quantization == "fp8");
  CHECK(c.unknown.empty());
}

TEST_CASE("deepseek_v3_config: what the sizes of the file change") {
  const auto read = [](std::string_view patch) {
    return read_deepseek_v3_config(changed(published::deepseek_v3, patch));
  };
  // The latent norms keep their epsilon; the scores follow mscale_all_dim, the angles both.
  CHECK(read(R"({"rms_norm_eps": 1e-5})").latent.norm_eps == 1e-6);
  const model_config half = read(R"({"rope_scaling": {"mscale_all_dim": 0.5}})");
  const double m = 0.05 * std::log(40.) + 1;
  CHECK(half.attention_scale == Approx(m * m / std::sqrt(192.)));
  CHECK(half.rope.concentration == Approx((0.1 * std::log(40.) + 1) / m));
  const model_config none = read(R"({"rope_scaling": {"mscale_all_dim": null, "mscale": null}})");
  CHECK(none.attention_scale == Approx(1 / std::sqrt(192.)));
  CHECK(none.rope.concentration == Approx(0.1 * std::log(40.) + 1));
  const model_config plain = read(R"({"rope_scaling": null})");
  CHECK(plain.attention_scale == Approx(0.0721688).epsilon(1e-6));
  CHECK(plain.rope == rope_config{.theta = 10'000, .interleaved = true});
  CHECK_FALSE(read(R"({"rope_interleave": false})").rope.interleaved);
  CHECK(read(R"({"n_shared_experts": 2})").shared_hidden == 4096);
  CHECK(read(R"({"n_shared_experts": null})").shared_hidden == 0);
  CHECK(read(R"({"q_lora_rank": null})").latent.q_rank == 0);
  CHECK(read(R"({"num_nextn_predict_layers": null})").draft_layers == 0);
  CHECK(read(R"({"head_dim": 64, "qk_head_dim": 192})").head_dim == 192);
  CHECK_FALSE(read(R"({"norm_topk_prob": false})").normalize);
  CHECK(read(R"({"num_local_experts": 256})").experts == 256);
  CHECK(read(R"({"hidden_dim": 7, "rope_scaling": {"gamma": 1}, "quantization_config": {"x": 1}})")
            .unknown ==
        std::vector<std::string>{"rope_scaling.gamma", "quantization_config.x", "hidden_dim"});
}

TEST_CASE("deepseek_v3_config: what is refused") {
  const refusal all[] = {
      {R"({"num_key_value_heads": 64})", "\"num_key_value_heads\" is 64",
       "expected \"num_attention_heads\", 128"},
      {R"({"attention_bias": true})", "\"attention_bias\" is true, expected false"},
      {R"({"head_dim": 128})", "\"head_dim\" is 128, expected 64"},
      {R"({"qk_head_dim": 64})", "\"qk_head_dim\" is 64, expected 192"},
      {R"({"qk_rope_head_dim": 63})", "\"qk_rope_head_dim\" is 63, expected an even number"},
      {R"({"kv_lora_rank": 0})", "\"kv_lora_rank\" is 0, expected 1 to"},
      {R"({"kv_lora_rank": null})", "\"kv_lora_rank\" is missing, did you mean \"q_lora_rank\"?"},
      {R"({"v_head_dim": 100000})", "128 heads of 192 and 100000 numbers", "expected at most"},
      {R"({"first_k_dense_replace": 62})", "\"first_k_dense_replace\" is 62",
       "expected at most \"num_hidden_layers\", 61"},
      {R"({"moe_layer_freq": 2})", "\"moe_layer_freq\" is 2, expected 1"},
      {R"({"scoring_func": "softmax"})", "\"scoring_func\" is \"softmax\", expected \"sigmoid\""},
      {R"({"topk_method": "greedy"})", "\"topk_method\" is \"greedy\", expected \"noaux_tc\""},
      {R"({"n_group": 7})", "\"n_group\" is 7, expected groups of two or more of the 256 experts"},
      {R"({"n_group": 256})", "\"n_group\" is 256, expected groups of two or more"},
      {R"({"topk_group": 9})", "\"topk_group\" is 9, expected at most \"n_group\", 8"},
      {R"({"num_experts_per_tok": 129})", "\"num_experts_per_tok\" is 129",
       "expected at most the 128 experts of the groups that are kept"},
      {R"({"num_experts_per_tok": 257})", "expected at most the number of experts, 256"},
      {R"({"num_local_experts": 128})", "\"num_local_experts\" is 128",
       "but \"n_routed_experts\" is 256; expected the same"},
      {R"({"norm_topk_prob": null})", "\"norm_topk_prob\" is missing"},
      {R"({"routed_scaling_factor": -1})", "\"routed_scaling_factor\" is -1, expected"},
      {R"({"num_nextn_predict_layers": -1})", "\"num_nextn_predict_layers\" is -1, expected 0 to"},
  };
  published::check_refused(read_deepseek_v3_config, published::deepseek_v3, all);
}
