// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// config.json files that are written read back as the same model.

#include "golden.hpp"

#include <dsr1/io/read_model_config.hpp>
#include <dsr1/io/write_model_config.hpp>

using namespace dsr1;

namespace {

model_config again(const model_config& c) {
  return read_model_config(json_object(model_config_json(c), "written"));
}

}  // namespace

TEST_CASE("golden: a config that was read is written so that it reads the same", "[golden]") {
  const auto root = golden::path("models");
  if (root.empty()) return;
  int count = 0;
  for (const auto& folder : std::filesystem::directory_iterator(root)) {
    if (!std::filesystem::exists(folder.path() / "config.published.json")) continue;
    INFO(folder.path().string());
    model_config c = read_model_config(folder.path());
    model_config w = again(c);
    CHECK(w.attention_scale == Approx(c.attention_scale).epsilon(1e-12));
    CHECK(w.rope.concentration == Approx(c.rope.concentration).epsilon(1e-12));
    w.attention_scale = c.attention_scale;
    w.rope.concentration = c.rope.concentration;
    if (c.model_type == "qwen3_moe" && c.dense_hidden == 0) w.dense_hidden = 0;
    CHECK(w == c);
    CHECK(w.unknown.empty());
    ++count;
  }
  CHECK(count > 0);
}

TEST_CASE("write_model_config: what a family cannot express is named") {
  model_config c;
  c.model_type = "mixtral";
  c.vocab = 8;
  c.dim = 4;
  c.layers = 2;
  c.context = 16;
  c.heads = c.kv_heads = 1;
  c.head_dim = 4;
  c.window = {0, 0};
  c.sparse = {true, true};
  c.experts = c.top_k = 1;
  c.expert_hidden = 4;
  CHECK(again(c) == c);
  const auto refused = [&](auto change, const std::string& why) {
    model_config d = c;
    change(d);
    CHECK_THROWS_WITH(model_config_json(d),
                      "a config.json of " + d.model_type + " cannot express " + why);
  };
  refused([](model_config& d) { d.sinks = true; }, "sinks");
  refused([](model_config& d) { d.qk_norm = true; }, "norms of q and k");
  refused([](model_config& d) { d.router_bias = true; }, "a router bias");
  refused([](model_config& d) { d.window = {8, 0}; }, "windows on some layers only");
  refused([](model_config& d) { d.window = {8, 4}; }, "windows of two sizes");
  refused([](model_config& d) { d.sparse = {true, false}; }, "dense layers at these places");
  refused([](model_config& d) { d.router = router_rule::sigmoid; }, "this router");
  refused([](model_config& d) { d.shared_hidden = 4; }, "a shared expert");
  refused([](model_config& d) { d.glu_limit = 7; }, "a clamped SwiGLU");
  refused([](model_config& d) { d.model_type = "gpt_oss"; }, "attention without sinks");
  refused([](model_config& d) { d.normalize = false; }, "weights that are not normalised");
  model_config d = c;
  d.model_type = "llama";
  CHECK_THROWS_WITH(model_config_json(d),
                    "no config.json for the model type \"llama\", expected deepseek_v3, gpt_oss, "
                    "mixtral or qwen3_moe");
}
