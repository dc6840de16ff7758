// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Decoder-only mixture-of-experts models as they are published, and the layout of their tensors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <dsr1/attention/attention.hpp>
#include <dsr1/io/safetensors.hpp>
#include <dsr1/model/causal_lm.hpp>
#include <dsr1/moe/moe.hpp>
#include <dsr1/nn/repeat.hpp>
#include <dsr1/nn/residual.hpp>
#include <dsr1/nn/sequential.hpp>

namespace dsr1 {

/// Families whose blocks are x += attention(norm(x)), x += moe(norm(x)).
enum class family { gpt_oss, mixtral, qwen3_moe };

/// The type of such a model; all sizes come from the constructor.
template <class Gate, class T = float, class Balance = no_balance>
using published_lm =
    causal_lm<repeat<sequential<residual<pre_norm<attention<attention_shape{}, T>>>,
                                residual<pre_norm<moe<moe_shape{}, Gate, Balance, T>>>>>>;

/// The values of our parameter `name` ("layers.3.attention.qkv.weight"), gathered from tensors of a
/// published checkpoint: find(published name) gives a `stored_tensor` or throws. Differences of
/// layout: q, k and v are separate there; gate and linear rows of experts are separate (Mixtral,
/// Qwen3-MoE) or transposed (gpt-oss); there is no bias that only chooses.
template <class T, class Find>
std::vector<T> published_values(family which, std::string_view name, index_t experts, Find&& find) {
  const auto all = [&](const std::string& published) {
    const stored_tensor& t = find(published);
    std::vector<T> values(static_cast<std::size_t>(t.size()));
    t.copy_to(values.data());
    return values;
  };
  if (name == "embedding.weight") return all("model.embed_tokens.weight");
  if (name == "norm.weight") return all("model.norm.weight");
  if (name == "head.weight") return all("lm_head.weight");

  expects(name.starts_with("layers."), "no published tensor for parameter ", name);
  const std::size_t dot = name.find('.', 7);
  const std::string layer = "model." + std::string(name.substr(0, dot)) + ".";
  const std::string_view part = name.substr(dot + 1);
  const std::string self = layer + "self_attn.";
  const auto joined = [&](const std::string& end) {
    std::vector<T> out = all(self + "q_proj." + end);
    for (const char* p : {"k_proj.", "v_proj."}) {
      const std::vector<T> more = all(std::string(self).append(p).append(end));
      out.insert(out.end(), more.begin(), more.end());
    }
    return out;
  };
  if (part == "attention.norm.weight") return all(layer + "input_layernorm.weight");
  if (part == "attention.qkv.weight") return joined("weight");
  if (part == "attention.qkv.bias") return joined("bias");
  if (part == "attention.out.weight") return all(self + "o_proj.weight");
  if (part == "attention.out.bias") return all(self + "o_proj.bias");
  if (part == "attention.sinks") return all(self + "sinks");
  if (part == "attention.q_norm") return all(self + "q_norm.weight");
  if (part == "attention.k_norm") return all(self + "k_norm.weight");
  if (part == "moe.norm.weight") return all(layer + "post_attention_layernorm.weight");
  if (part == "moe.balance") return std::vector<T>(static_cast<std::size_t>(experts));

  if (which == family::gpt_oss) {
    const std::string mlp = layer + "mlp.";
    // [experts, in, out] there, [experts, out, in] here.
    const auto transposed_experts = [&](const std::string& published) {
      const stored_tensor& t = find(published);
      expects(t.shape.size() == 3, "tensor ", published, " is ", t.text(),
              ", expected three extents");
      const std::vector<T> from = all(published);
      std::vector<T> to(from.size());
      const index_t in = t.shape[1], out = t.shape[2];
      for (index_t e = 0; e < t.shape[0]; ++e)
        for (index_t i = 0; i < in; ++i)
          for (index_t o = 0; o < out; ++o)
            to[static_cast<std::size_t>((e * out + o) * in + i)] =
                from[static_cast<std::size_t>((e * in + i) * out + o)];
      return to;
    };
    if (part == "moe.router.weight") return all(mlp + "router.weight");
    if (part == "moe.router.bias") return all(mlp + "router.bias");
    if (part == "moe.experts.up") return transposed_experts(mlp + "experts.gate_up_proj");
    if (part == "moe.experts.up_bias") return all(mlp + "experts.gate_up_proj_bias");
    if (part == "moe.experts.down") return transposed_experts(mlp + "experts.down_proj");
    if (part == "moe.experts.down_bias") return all(mlp + "experts.down_proj_bias");
  } else {
    const bool mixtral = which == family::mixtral;
    const std::string mlp = layer + (mixtral ? "block_sparse_moe." : "mlp.");
    const auto of_expert = [&](index_t e, const char* mixtral_name, const char* qwen_name) {
      return mlp + "experts." + std::to_string(e) + "." + (mixtral ? mixtral_name : qwen_name) +
             ".weight";
    };
    if (part == "moe.router.weight") return all(mlp + "gate.weight");
    if (part == "moe.experts.up" || part == "moe.experts.down") {
      std::vector<T> to;
      for (index_t e = 0; e < experts; ++e) {
        if (part == "moe.experts.down") {
          const std::vector<T> down = all(of_expert(e, "w2", "down_proj"));
          to.insert(to.end(), down.begin(), down.end());
          continue;
        }
        const std::string gate_name = of_expert(e, "w1", "gate_proj");
        const auto width = find(gate_name).shape.back();
        const std::vector<T> gate = all(gate_name), up = all(of_expert(e, "w3", "up_proj"));
        for (std::size_t row = 0; row < gate.size(); row += static_cast<std::size_t>(width))
          for (const std::vector<T>* half : {&gate, &up})
            to.insert(to.end(), half->begin() + static_cast<std::ptrdiff_t>(row),
                      half->begin() + static_cast<std::ptrdiff_t>(row) + width);
      }
      return to;
    }
  }
  throw error(text("no published tensor for parameter ", name));
}

/// Fills an initialised model. Throws `error` naming a tensor that is missing or has another size.
template <class Ctx, class Model, class Find>
void load_published(Ctx& ctx, Model& model, family which, Find&& find) {
  model.for_each_parameter([&]<class T>(const parameter_name& name, parameter<T>& p) {
    const index_t experts = p.traits().counts_load || p.traits().per_expert ? p.extent(0) : 0;
    const std::vector<T> values = published_values<T>(which, name.str(), experts, find);
    expects(static_cast<index_t>(values.size()) == p.size(), "parameter ", name.str(), " has ",
            p.size(), " numbers, the checkpoint gives ", values.size());
    Ctx::backend::upload(ctx, values.data(), p.values().as(p.size()));
  });
}

}  // namespace dsr1
