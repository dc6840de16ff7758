// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A family that the library does not know: dots.llm1, which has Qwen3's attention and DeepSeek-V3's
// experts. Reads its checkpoint and compares the logits with those of the reference.

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <vector>

#include <dsr1/cpu.hpp>
#include <dsr1/io/checkpoint_folder.hpp>
#include <dsr1/io/json.hpp>
#include <dsr1/model/deepseek_v3.hpp>
#include <dsr1/model/load.hpp>
#include <dsr1/model/published.hpp>

// [family]
namespace dots1 {

/// The types: grouped-query attention, a sigmoid gate whose stored bias only chooses.
using types = dsr1::published<dsr1::attention<>, dsr1::sigmoid_gate>;

/// config.json in the vocabulary of the library.
dsr1::model_config read(const dsr1::json_object& j) {
  using dsr1::index_t;
  dsr1::model_config c;
  c.model_type = "dots1";
  c.vocab = j.get<index_t>("vocab_size");
  c.dim = j.get<index_t>("hidden_size");
  c.layers = j.get<index_t>("num_hidden_layers");
  c.context = j.get<index_t>("max_position_embeddings");
  c.norm_eps = j.get<double>("rms_norm_eps");
  c.heads = j.get<index_t>("num_attention_heads");
  c.kv_heads = j.get<index_t>("num_key_value_heads");
  c.head_dim = j.get<index_t>("head_dim");
  c.qk_norm = true;
  c.window.assign(static_cast<std::size_t>(c.layers), 0);
  c.rope.theta = j.object("rope_parameters").get<double>("rope_theta");
  for (index_t i = 0; i < c.layers; ++i)
    c.sparse.push_back(i >= j.get<index_t>("first_k_dense_replace"));
  c.dense_hidden = j.get<index_t>("intermediate_size");
  c.expert_hidden = j.get<index_t>("moe_intermediate_size");
  c.experts = j.get<index_t>("n_routed_experts");
  c.top_k = j.get<index_t>("num_experts_per_tok");
  c.shared_hidden = j.get<index_t>("n_shared_experts") * c.expert_hidden;
  c.choice_bias = true;
  c.router = dsr1::router_rule::sigmoid;
  c.normalize = j.get<bool>("norm_topk_prob");
  c.routed_scale = j.get<double>("routed_scaling_factor");
  c.groups = j.get<index_t>("n_group");
  c.top_groups = j.get<index_t>("topk_group");
  return c;
}

/// Its tensors: attention is named as all do (norms of q and k included), the rest as DeepSeek-V3.
std::optional<dsr1::weight_rule> rule(const dsr1::model_config& c, const std::string& layer,
                                      std::string_view rest) {
  if (rest.starts_with("attention.")) return std::nullopt;
  return dsr1::deepseek_v3_rule(c, layer, rest);
}

}  // namespace dots1
// [/family]

int main(int argc, char** argv) try {
  dsr1::expects(argc == 2, "usage: 07_own_family FOLDER");
  const std::filesystem::path folder(argv[1]);
  // [load]
  const auto config = dots1::read(dsr1::json_object::read(folder / "config.json"));
  dsr1::context<dsr1::cpu> ctx;
  auto model = dots1::types::make(config);
  load_checkpoint(ctx, model, config, dots1::rule,
                  dsr1::checkpoint_folder((folder / "model.safetensors").string()));
  // [/load]

  const dsr1::safetensors golden((folder / "golden.safetensors").string());
  const dsr1::stored_tensor& stored = golden.at("input_ids");
  std::vector<double> numbers(static_cast<std::size_t>(stored.size()));
  stored.copy_to(numbers.data());
  const std::vector<std::int32_t> ids(numbers.begin(), numbers.end());
  std::vector<dsr1::sequence> sequences;
  for (dsr1::index_t b = 0; b < stored.shape[0]; ++b)
    sequences.push_back({.begin = b * stored.shape[1], .length = stored.shape[1]});

  dots1::types::model::saved saved;
  const dsr1::token_batch batch{dsr1::view<const std::int32_t, 1>(ids.data(), ids.size()),
                                dsr1::sequence_layout(sequences)};
  const dsr1::view<const float, 2> h = model.hidden(ctx, batch, saved);
  const auto logits = model.logits(ctx, h);
  std::vector<double> expected(static_cast<std::size_t>(logits.size()));
  golden.at("logits64").copy_to(expected.data());
  double worst = 0;
  for (dsr1::index_t i = 0; i < logits.size(); ++i)
    worst = std::fmax(worst, std::fabs(static_cast<double>(logits.data[i]) -
                                       expected[static_cast<std::size_t>(i)]));
  std::printf("largest difference of %lld logits: %.1e\n", static_cast<long long>(logits.size()),
              worst);
  const bool ok = worst < 2e-5;
  std::puts(ok ? "ok" : "WRONG");
  return ok ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
