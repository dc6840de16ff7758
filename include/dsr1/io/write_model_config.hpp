// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The config.json of a published family from our vocabulary, with the keys of downloaded files.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include <dsr1/io/json.hpp>
#include <dsr1/io/model_config.hpp>

namespace dsr1 {

/// The `quantization_config` of a model whose experts alone are MXFP4.
inline json mxfp4_quantization_json() {
  return {
      {"quant_method", "mxfp4"},
      {"modules_to_not_convert",
       {"model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"}}};
}

/// The keys of one config.json, and what it has no words for.
class config_writer {
 public:
  explicit config_writer(const model_config& c) : c_(c) {}

  json write(const std::string& torch_dtype) {
    common(torch_dtype);
    if (c_.model_type == "gpt_oss")
      gpt_oss();
    else if (c_.model_type == "deepseek_v3")
      deepseek_v3();
    else if (c_.model_type == "mixtral")
      mixtral();
    else if (c_.model_type == "qwen3_moe")
      qwen3_moe();
    else
      throw error(text("no config.json for the model type \"", c_.model_type,
                       "\", expected deepseek_v3, gpt_oss, mixtral or qwen3_moe"));
    quantization();
    return std::move(j_);
  }

 private:
  template <class... What>
  void only(bool holds, const What&... what) const {
    if (!holds) throw error(text("a config.json of ", c_.model_type, " cannot express ", what...));
  }
  static json or_null(bool known, const json& value) { return known ? value : json(nullptr); }

  void common(const std::string& torch_dtype) {
    j_ = {{"model_type", c_.model_type},
          {"vocab_size", c_.vocab},
          {"hidden_size", c_.dim},
          {"num_hidden_layers", c_.layers},
          {"max_position_embeddings", c_.context},
          {"rms_norm_eps", c_.norm_eps},
          {"tie_word_embeddings", c_.tied},
          {"num_attention_heads", c_.heads},
          {"num_key_value_heads", c_.kv_heads},
          {"attention_bias", c_.attention_bias},
          {"attention_dropout", 0.0},
          {"hidden_act", "silu"},
          {"initializer_range", 0.02},
          {"rope_theta", c_.rope.theta},
          {"torch_dtype", torch_dtype},
          {"use_cache", true},
          {"num_experts_per_tok", c_.top_k},
          {"bos_token_id", or_null(c_.begin >= 0, c_.begin)},
          {"eos_token_id", or_null(!c_.end.empty(), c_.end)},
          {"pad_token_id", or_null(c_.padding >= 0, c_.padding)}};
    if (c_.end.size() == 1) j_["eos_token_id"] = c_.end[0];
    // Said even where there is none: gpt-oss in transformers takes a missing one for YaRN.
    json& rope = j_["rope_scaling"];
    rope = {{"rope_type", "default"}, {"rope_theta", c_.rope.theta}};
    if (c_.rope.factor > 1)
      rope = {{"rope_type", "yarn"},
              {"factor", c_.rope.factor},
              {"beta_fast", c_.rope.beta_fast},
              {"beta_slow", c_.rope.beta_slow},
              {"original_max_position_embeddings", c_.rope.original_length},
              {"truncate", c_.rope.truncate}};
  }

  /// What only one of the families has.
  void only_gpt_oss(bool here) {
    only(c_.sinks == here, here ? "attention without sinks" : "sinks");
    only(c_.router_bias == here, here ? "a router without bias" : "a router bias");
    only(c_.expert_bias == here, here ? "experts without biases" : "biases of experts");
    only(here || (c_.glu_alpha == 1 && c_.glu_limit == 0 && c_.glu_offset == 0),
         "a clamped SwiGLU");
  }
  void only_deepseek(bool here) {
    only(c_.choice_bias == here, here ? "a router without" : "", " a bias that only chooses");
    only((c_.latent.kv_rank > 0) == here, here ? "attention that is not" : "", " latent");
    only(here || c_.shared_hidden == 0, "a shared expert");
  }
  void only_qwen(bool here) {
    only(c_.qk_norm == here, here ? "q and k without norms" : "norms of q and k");
  }
  void router(router_rule rule) { only(c_.router == rule, "this router"); }

  /// What the families with plain attention share.
  void plain_attention(router_rule rule) {
    only_deepseek(false);
    router(rule);
    j_["head_dim"] = c_.head_dim;
    j_["router_aux_loss_coef"] = c_.balance_loss;
    if (c_.rope.factor > 1 && c_.rope.concentration > 0)
      j_["rope_scaling"]["attention_factor"] = c_.rope.concentration;
  }

  /// The one size of all windows; 0 when there is none.
  index_t window() const {
    index_t size = 0;
    for (const index_t w : c_.window) {
      only(w == 0 || size == 0 || w == size, "windows of two sizes");
      size = std::max(size, w);
    }
    return size;
  }
  void layer_types() {
    j_["layer_types"] = json::array();
    for (const index_t w : c_.window)
      j_["layer_types"].push_back(w > 0 ? "sliding_attention" : "full_attention");
  }
  json dense_layers() const {
    json out = json::array();
    for (std::size_t i = 0; i < c_.sparse.size(); ++i)
      if (!c_.sparse[i]) out.push_back(i);
    return out;
  }

  void gpt_oss() {
    only_gpt_oss(true);
    only_qwen(false);
    plain_attention(router_rule::top_k_softmax);
    only(c_.glu_offset == 1, "a SwiGLU without its offset of 1");
    only(dense_layers().empty(), "dense layers at these places");
    j_["architectures"] = {"GptOssForCausalLM"};
    j_["sliding_window"] = or_null(window() > 0, window());
    layer_types();
    j_["num_local_experts"] = c_.experts;
    j_["experts_per_token"] = c_.top_k;
    j_["intermediate_size"] = c_.expert_hidden;
    j_["swiglu_limit"] = c_.glu_limit;
    j_["swiglu_alpha"] = c_.glu_alpha;
    j_["initial_context_length"] = c_.rope.factor > 1 ? c_.rope.original_length : c_.context;
  }

  void mixtral() {
    only_gpt_oss(false);
    only_qwen(false);
    plain_attention(router_rule::softmax);
    only(c_.normalize, "weights that are not normalised");
    only(dense_layers().empty(), "dense layers at these places");
    only(window() == 0 || std::count(c_.window.begin(), c_.window.end(), 0) == 0,
         "windows on some layers only");
    j_["architectures"] = {"MixtralForCausalLM"};
    j_["sliding_window"] = or_null(window() > 0, window());
    j_["num_local_experts"] = c_.experts;
    j_["intermediate_size"] = c_.expert_hidden;
  }

  void qwen3_moe() {
    only_gpt_oss(false);
    only_qwen(true);
    plain_attention(router_rule::softmax);
    j_["architectures"] = {"Qwen3MoeForCausalLM"};
    j_["use_sliding_window"] = window() > 0;
    j_["sliding_window"] = or_null(window() > 0, window());
    j_["max_window_layers"] = 0;
    layer_types();
    j_["num_experts"] = c_.experts;
    j_["moe_intermediate_size"] = c_.expert_hidden;
    j_["intermediate_size"] = c_.dense_hidden > 0 ? c_.dense_hidden : c_.expert_hidden;
    j_["decoder_sparse_step"] = 1;
    j_["mlp_only_layers"] = dense_layers();
    j_["norm_topk_prob"] = c_.normalize;
  }

  void deepseek_v3() {
    only_gpt_oss(false);
    only_deepseek(true);
    only_qwen(false);
    router(router_rule::sigmoid);
    only(window() == 0, "a window");
    only(c_.rope.interleaved, "rotary positions in halves");
    only(c_.shared_hidden % c_.expert_hidden == 0, "a shared expert of ", c_.shared_hidden,
         " beside experts of ", c_.expert_hidden);
    const auto dense = static_cast<index_t>(dense_layers().size());
    for (index_t i = 0; i < dense; ++i)
      only(!c_.sparse[static_cast<std::size_t>(i)], "dense layers at these places");
    if (c_.rope.factor > 1) {
      // scale sqrt(head_dim) = (0.1 all ln f + 1)^2, concentration = (0.1 m ln f + 1) / (...)
      const double grown =
          std::sqrt(c_.attention_scale * std::sqrt(static_cast<double>(c_.head_dim)));
      const double ln = 0.1 * std::log(c_.rope.factor);
      j_["rope_scaling"]["mscale_all_dim"] = (grown - 1) / ln;
      j_["rope_scaling"]["mscale"] = (c_.rope.concentration * grown - 1) / ln;
    }
    j_["architectures"] = {"DeepseekV3ForCausalLM"};
    j_["aux_loss_alpha"] = c_.balance_loss;
    j_["n_routed_experts"] = c_.experts;
    j_["moe_intermediate_size"] = c_.expert_hidden;
    j_["intermediate_size"] = c_.dense_hidden;
    j_["n_shared_experts"] = c_.shared_hidden / c_.expert_hidden;
    j_["first_k_dense_replace"] = dense;
    j_["moe_layer_freq"] = 1;
    j_["n_group"] = c_.groups;
    j_["topk_group"] = c_.top_groups;
    j_["topk_method"] = "noaux_tc";
    j_["scoring_func"] = "sigmoid";
    j_["norm_topk_prob"] = c_.normalize;
    j_["routed_scaling_factor"] = c_.routed_scale;
    j_["num_nextn_predict_layers"] = c_.draft_layers;
    j_["q_lora_rank"] = or_null(c_.latent.q_rank > 0, c_.latent.q_rank);
    j_["kv_lora_rank"] = c_.latent.kv_rank;
    j_["qk_nope_head_dim"] = c_.latent.plain_dim;
    j_["qk_rope_head_dim"] = c_.latent.rope_dim;
    j_["v_head_dim"] = c_.latent.value_dim;
  }

  void quantization() {
    if (c_.quantization == "mxfp4") j_["quantization_config"] = mxfp4_quantization_json();
    if (c_.quantization == "fp8")
      j_["quantization_config"] = {{"quant_method", "fp8"},
                                   {"fmt", "e4m3"},
                                   {"weight_block_size", {128, 128}},
                                   {"activation_scheme", "dynamic"}};
  }

  const model_config& c_;
  json j_;
};

/// The config.json for `c.model_type` (deepseek_v3, gpt_oss, mixtral, qwen3_moe): reading it gives
/// `c` again. Throws `error` naming what the family cannot express.
inline json model_config_json(const model_config& c, const std::string& torch_dtype = "bfloat16") {
  return config_writer(c).write(torch_dtype);
}

}  // namespace dsr1
