// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The tensors of gpt-oss.

#include "golden.hpp"
#include "model/rules.hpp"

#include <dsr1/cpu.hpp>
#include <dsr1/io/checkpoint_folder.hpp>
#include <dsr1/io/read_model_config.hpp>
#include <dsr1/model/decoder.hpp>
#include <dsr1/model/gpt_oss.hpp>
#include <dsr1/model/load.hpp>
#include <dsr1/model/published.hpp>
#include <dsr1/moe/expert_store.hpp>

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

namespace {

using family = published<attention<attention_shape{}, float>, top_k_softmax_gate>;
using model_type = family::model;

/// The logits after each of 12 tokens, fed one by one.
template <class Ctx>
std::vector<float> logits_of(Ctx& ctx, model_type& model) {
  decoder decode(ctx, model, cache_options{.capacity = 12, .chunk = 4});
  std::vector<float> out;
  for (std::int32_t i = 0; i < 12; ++i) {
    const std::int32_t token[] = {3 * i % 7};
    const auto y = decode.feed(0, token);
    out.insert(out.end(), y.begin(), y.end());
  }
  return out;
}

}  // namespace

TEST_CASE("gpt_oss: experts in memory of the host, two with a copy, change no bit of the logits",
          "[golden]") {
  const std::string file = golden::path("models/gpt_oss_mxfp4/config.json");
  if (file.empty()) return;
  const auto folder = std::filesystem::path(file).parent_path();
  const model_config config = read_model_config(folder);
  const checkpoint_folder source(folder.string());
  context<cpu> ctx({.threads = 1});
  auto whole = family::make(config);
  load_checkpoint(ctx, whole, config, gpt_oss_rule, source, {.packed = true});
  auto model = family::make(config);
  const index_t bytes = 2 * 64 * 1024;
  // [store]
  load_checkpoint(ctx, model, config, gpt_oss_rule, source,
                  {.packed = true, .experts = residence::host});
  expert_store store(ctx, model, {.bytes = bytes});
  const auto logits = logits_of(ctx, model);
  const double hits =
      static_cast<double>(store.counts().hits) / static_cast<double>(store.counts().uses);
  // [/store]
  CHECK(store.slots() < store.experts());
  CHECK(hits > 0);
  CHECK(hits < 1);
  ctx.experts(nullptr);
  CHECK(logits == logits_of(ctx, whole));
}
