// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The configuration of Mixtral.

#include "catch.hpp"
#include "io/published_configs.hpp"

#include <dsr1/io/mixtral_config.hpp>

using namespace dsr1;
using published::changed;
using published::refusal;

TEST_CASE("mixtral_config: the published file") {
  const model_config c = read_mixtral_config(changed(published::mixtral_8x7b));
  CHECK(c.model_type == "mixtral");
  CHECK(c.vocab == 32'000);
  CHECK(c.dim == 4096);
  CHECK(c.layers == 32);
  CHECK(c.context == 32'768);
  CHECK_FALSE(c.tied);
  CHECK(c.norm_eps == 1e-5);
  CHECK(c.heads == 32);
  CHECK(c.kv_heads == 8);
  CHECK(c.head_dim == 128);
  CHECK_FALSE(c.attention_bias);
  CHECK_FALSE(c.sinks);
  CHECK_FALSE(c.qk_norm);
  CHECK(c.attention_scale == 0);
  CHECK(c.window == std::vector<index_t>(32));
  CHECK(c.rope == rope_config{.theta = 1e6});
  CHECK(c.sparse == std::vector<bool>(32, true));
  CHECK(c.experts == 8);
  CHECK(c.top_k == 2);
  CHECK(c.expert_hidden == 14'336);
  CHECK(c.router == router_rule::softmax);
  CHECK(c.normalize);
  CHECK_FALSE(c.router_bias);
  CHECK_FALSE(c.expert_bias);
  CHECK(c.balance_loss == 0.02);
  CHECK(c.end == std::vector<std::int32_t>{2});
  CHECK(c.begin == 1);
  CHECK(c.padding == -1);
  CHECK(c.quantization.empty());
  CHECK(c.unknown.empty());
}

TEST_CASE("mixtral_config: a window is on every layer, a head's size may be written out") {
  const auto read = [](std::string_view patch) {
    return read_mixtral_config(changed(published::mixtral_8x7b, patch));
  };
  CHECK(read(R"({"sliding_window": 4096})").window == std::vector<index_t>(32, 4096));
  CHECK(read(R"({"head_dim": 64})").head_dim == 64);
  CHECK(read(R"({"pad_token_id": -1})").padding == -1);
}

TEST_CASE("mixtral_config: what is refused") {
  const refusal all[] = {
      {R"({"hidden_size": 4097})", "\"hidden_size\" is 4097",
       "expected a multiple of \"num_attention_heads\", 32"},
      {R"({"hidden_size": 96})", "the heads have 3 numbers, expected an even number"},
      {R"({"num_key_value_heads": 5})", "\"num_attention_heads\" is 32",
       "expected a multiple of \"num_key_value_heads\", 5"},
      {R"({"num_experts_per_tok": 9})", "\"num_experts_per_tok\" is 9",
       "expected at most the number of experts, 8"},
      {R"({"num_local_experts": null})", "\"num_local_experts\" is missing"},
      {R"({"intermediate_size": "14336"})", "\"intermediate_size\" is \"14336\"",
       "expected a whole number"},
  };
  published::check_refused(read_mixtral_config, published::mixtral_8x7b, all);
}
