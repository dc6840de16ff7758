// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The published families that the library knows, and the type of model for a config.
#pragma once

#include <array>
#include <string_view>

#include <dsr1/model/deepseek_v3.hpp>
#include <dsr1/model/gpt_oss.hpp>
#include <dsr1/model/mixtral.hpp>
#include <dsr1/model/published.hpp>
#include <dsr1/model/qwen3_moe.hpp>

namespace dsr1 {

struct family {
  std::string_view model_type;
  layer_rule rule;
};

inline constexpr std::array<family, 4> families = {{{"deepseek_v3", deepseek_v3_rule},
                                                    {"gpt_oss", gpt_oss_rule},
                                                    {"mixtral", mixtral_rule},
                                                    {"qwen3_moe", qwen3_moe_rule}}};

/// The names of a family's tensors. Throws `error` listing the known families.
inline layer_rule family_of(std::string_view model_type) {
  std::string known;
  for (const family& f : families) {
    if (f.model_type == model_type) return f.rule;
    known += (known.empty() ? "" : ", ") + std::string(f.model_type);
  }
  throw error(text("unknown model type \"", model_type, "\", expected one of ", known));
}

/// Calls f(published<Attention, Gate, T>()) with the types that a config asks for; all sizes stay
/// open. Three models are compiled for every f. Throws `error` for a combination that none of the
/// families has.
template <class T, class F>
decltype(auto) with_published(const model_config& c, F&& f) {
  if (c.latent.kv_rank > 0) {
    expects(c.router == router_rule::sigmoid, "model type ", c.model_type,
            ": latent attention with another router than sigmoid");
    return f(published<latent_attention<latent_shape{}, T>, sigmoid_gate>());
  }
  expects(c.router != router_rule::sigmoid, "model type ", c.model_type,
          ": grouped-query attention with a sigmoid router; compose it with `published`");
  if (c.router == router_rule::top_k_softmax)
    return f(published<attention<attention_shape{}, T>, top_k_softmax_gate>());
  return f(published<attention<attention_shape{}, T>, softmax_gate>());
}

}  // namespace dsr1
