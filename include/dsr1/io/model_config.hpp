// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What a config.json says about a model, in one vocabulary for all families.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

/// Rotary positions; `factor` above 1 means YaRN.
struct rope_config {
  double theta = 10'000;
  bool interleaved = false;
  double factor = 1;
  double beta_fast = 32;
  double beta_slow = 1;
  index_t original_length = 4096;
  bool truncate = true;
  double concentration = 0;  ///< of cosine and sine; 0 means 0.1 ln(factor) + 1

  bool operator==(const rope_config&) const = default;
};

/// Latent attention (MLA); kv_rank 0 means the model has plain grouped-query attention.
struct latent_config {
  index_t q_rank = 0;  ///< 0: queries are not compressed
  index_t kv_rank = 0;
  index_t plain_dim = 0;  ///< of a head of q and k without rotation
  index_t rope_dim = 0;   ///< of a head of q, and of the key that all heads share
  index_t value_dim = 0;
  double norm_eps = 1e-6;

  bool operator==(const latent_config&) const = default;
};

enum class router_rule { softmax, sigmoid, top_k_softmax };

/// All numbers that decide shapes and behaviour of a published decoder.
struct model_config {
  std::string model_type;
  index_t vocab = 0, dim = 0, layers = 0, context = 0;
  bool tied = false;  ///< the head is the embedding table
  double norm_eps = 1e-5;

  index_t heads = 0, kv_heads = 0, head_dim = 0;
  bool attention_bias = false, sinks = false, qk_norm = false;
  double attention_scale = 0;   ///< 0 means 1 / sqrt(head_dim)
  std::vector<index_t> window;  ///< per layer; 0 means none
  rope_config rope;
  latent_config latent;

  std::vector<bool> sparse;  ///< per layer: experts, or one dense feed-forward block
  index_t dense_hidden = 0;  ///< of the dense blocks
  index_t experts = 0, top_k = 0, expert_hidden = 0;
  index_t shared_hidden = 0;  ///< of the shared expert; 0 means none
  bool router_bias = false, expert_bias = false;
  bool choice_bias = false;  ///< a stored bias that chooses experts and never weighs
  router_rule router = router_rule::softmax;
  bool normalize = true;  ///< the weights of the chosen are divided by their sum
  double routed_scale = 1;
  double router_epsilon = 0;
  index_t groups = 1, top_groups = 1;
  double balance_loss = 0;                              ///< coefficient in training
  double glu_alpha = 1, glu_limit = 0, glu_offset = 0;  ///< limit 0 means no clamp

  index_t draft_layers = 0;  ///< multi-token-prediction layers

  std::vector<std::int32_t> end;  ///< tokens that end a text
  std::int32_t begin = -1, padding = -1;
  std::string quantization;          ///< "", "mxfp4", "fp8"
  std::vector<std::string> unknown;  ///< keys of the file that nothing here stands for

  bool operator==(const model_config&) const = default;
};

}  // namespace dsr1
