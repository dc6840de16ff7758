// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Which stored tensors a parameter consists of.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dsr1/io/model_config.hpp>

namespace dsr1 {

/// Rows [first_row, first_row + rows) of a stored tensor; all of them when rows is 0.
struct stored_part {
  std::string tensor;
  index_t first_row = 0;
  index_t rows = 0;
};

/// A parameter as tensors of a checkpoint. Without parts it is zero there (a bias that a family
/// does not have). The parts of a matrix follow one another or alternate row by row. Either every
/// part is a matrix, and those of matrix 0 come first; or every part holds one slice per matrix.
struct weight_rule {
  std::vector<stored_part> parts;
  index_t per_matrix = 1;
  bool alternating = false;
  bool transposed = false;  ///< plain numbers are stored as [in, out]; codes with scales never are

  static weight_rule zeros() { return {}; }
  static weight_rule one(std::string tensor) { return {.parts = {{std::move(tensor)}}}; }
  static weight_rule following(const std::vector<std::string>& tensors) {
    return joined(tensors, false);
  }
  static weight_rule alternate(const std::vector<std::string>& tensors) {
    return joined(tensors, true);
  }

  /// One set of tensors per expert: name(e) gives the tensors of expert e.
  template <class Names>
  static weight_rule per_expert(index_t experts, Names&& names) {
    weight_rule r;
    for (index_t e = 0; e < experts; ++e) {
      const std::vector<std::string> tensors = names(e);
      r.per_matrix = static_cast<index_t>(tensors.size());
      for (const std::string& t : tensors) r.parts.push_back({t});
    }
    r.alternating = r.per_matrix > 1;
    return r;
  }

 private:
  static weight_rule joined(const std::vector<std::string>& tensors, bool alternating) {
    weight_rule r;
    r.per_matrix = static_cast<index_t>(tensors.size());
    r.alternating = alternating;
    for (const std::string& t : tensors) r.parts.push_back({t});
    return r;
  }
};

/// What a family knows about its tensors: the rule of parameter `rest` ("mlp.experts.up") of the
/// layer whose tensors begin with `layer` ("model.layers.3."), or nothing where it does as all do.
using layer_rule = std::optional<weight_rule> (*)(const model_config& config,
                                                  const std::string& layer, std::string_view rest);

/// The names that the published decoders share: separate q, k and v, norms, dense blocks.
inline std::optional<weight_rule> common_layer_rule(const model_config&, const std::string& layer,
                                                    std::string_view rest) {
  const std::string self = layer + "self_attn.", mlp = layer + "mlp.";
  const auto three = [&](const char* end) {
    return weight_rule::following(
        {self + "q_proj." + end, self + "k_proj." + end, self + "v_proj." + end});
  };
  if (rest == "attention.norm.weight") return weight_rule::one(layer + "input_layernorm.weight");
  if (rest == "mlp.norm.weight") return weight_rule::one(layer + "post_attention_layernorm.weight");
  if (rest == "attention.qkv.weight") return three("weight");
  if (rest == "attention.qkv.bias") return three("bias");
  if (rest == "attention.out.weight") return weight_rule::one(self + "o_proj.weight");
  if (rest == "attention.out.bias") return weight_rule::one(self + "o_proj.bias");
  if (rest == "attention.sinks") return weight_rule::one(self + "sinks");
  if (rest == "attention.q_norm") return weight_rule::one(self + "q_norm.weight");
  if (rest == "attention.k_norm") return weight_rule::one(self + "k_norm.weight");
  if (rest == "mlp.up.weight")
    return weight_rule::alternate({mlp + "gate_proj.weight", mlp + "up_proj.weight"});
  if (rest == "mlp.down.weight") return weight_rule::one(mlp + "down_proj.weight");
  if (rest == "mlp.router.weight") return weight_rule::one(mlp + "gate.weight");
  if (rest == "mlp.balance") return weight_rule::zeros();
  return std::nullopt;
}

/// The same for experts that are stored one by one: `mlp.experts.3.gate_proj.weight` and so on.
inline std::optional<weight_rule> separate_expert_rule(index_t experts, const std::string& prefix,
                                                       std::string_view rest, const char* gate,
                                                       const char* up, const char* down) {
  const auto of = [&](index_t e, const char* part) {
    return prefix + "experts." + std::to_string(e) + "." + part + ".weight";
  };
  if (rest == "mlp.experts.up")
    return weight_rule::per_expert(experts, [&](index_t e) {
      return std::vector{of(e, gate), of(e, up)};
    });
  if (rest == "mlp.experts.down")
    return weight_rule::per_expert(experts, [&](index_t e) { return std::vector{of(e, down)}; });
  return std::nullopt;
}

/// The rule of our parameter `name` ("layers.3.attention.qkv.weight", "drafts.0.join.weight").
/// Multi-token-prediction layers are stored behind the others, as layer `config.layers` and so on.
/// Throws `error` for a parameter that the family has no tensor for.
inline weight_rule rule_of(const model_config& config, layer_rule family, std::string_view name) {
  if (name == "embedding.weight") return weight_rule::one("model.embed_tokens.weight");
  if (name == "norm.weight") return weight_rule::one("model.norm.weight");
  if (name == "head.weight") return weight_rule::one("lm_head.weight");
  for (const std::string_view kind : {"layers.", "drafts."}) {
    if (!name.starts_with(kind)) continue;
    index_t number = 0;
    const char* const begin = name.data() + kind.size();
    const auto [end, failed] = std::from_chars(begin, name.data() + name.size(), number);
    std::string_view rest = name.substr(static_cast<std::size_t>(end - name.data()));
    if (failed != std::errc() || !rest.starts_with('.')) break;
    rest.remove_prefix(1);
    if (kind == "drafts.") number += config.layers;
    const std::string layer = "model.layers." + std::to_string(number) + ".";
    if (const auto rule = family(config, layer, rest)) return *rule;
    if (const auto rule = common_layer_rule(config, layer, rest)) return *rule;
    break;
  }
  throw error(text("family ", config.model_type, " has no tensor for parameter ", name));
}

/// True for tensors that a reader of the main model may pass over: everything of the
/// multi-token-prediction layers, which also hold copies of embedding and head.
inline bool is_spare_tensor(const model_config& config, std::string_view name) {
  for (index_t i = 0; i < config.draft_layers; ++i)
    if (name.starts_with("model.layers." + std::to_string(config.layers + i) + ".")) return true;
  return false;
}

}  // namespace dsr1
