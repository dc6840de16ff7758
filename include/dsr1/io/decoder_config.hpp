// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The part of a config.json that all families of decoders share, in both of its dialects.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include <dsr1/io/config_keys.hpp>
#include <dsr1/io/model_config.hpp>

namespace dsr1 {

/// How YaRN lets a score grow with the stretching: 0.1 scale ln(factor) + 1.
inline double yarn_growth(double factor, double scale) {
  return factor > 1 ? 0.1 * scale * std::log(factor) + 1 : 1;
}

/// What a config.json says about rotary positions beyond `rope_config`.
struct rope_keys {
  rope_config rope;
  bool yarn = false;
  double mscale_all_dim = 0;  ///< DeepSeek scales its scores by it; 0 means it is not there

  bool operator==(const rope_keys&) const = default;
};

/// One object of rotary positions: "rope_scaling" or "rope_parameters". Throws `error` on a type
/// other than "default" and "yarn", and when its two spellings of the type differ.
inline rope_keys read_rope_object(config_keys keys, double theta, index_t original_length,
                                  std::vector<std::string>& unknown) {
  rope_keys out;
  out.rope.theta = keys.number_or("rope_theta", theta, 1, 1e15);
  const auto type = keys.get<std::string>("rope_type", keys.get<std::string>("type", "default"));
  keys.only("type", type);  // the other spelling
  expects(type == "default" || type == "yarn", keys.source(), ": the type is \"", type,
          "\", expected \"default\" or \"yarn\"");
  if (type == "yarn") {
    rope_config& r = out.rope;
    out.yarn = true;
    r.factor = keys.number("factor", 1, 1e6);
    r.beta_fast = keys.number_or("beta_fast", 32, 0, 1e6);
    r.beta_slow = keys.number_or("beta_slow", 1, 0, 1e6);
    expects(r.beta_slow > 0 && r.beta_fast > r.beta_slow, keys.source(), ": \"beta_slow\" is ",
            r.beta_slow, " and \"beta_fast\" ", r.beta_fast,
            ", expected the first above 0 and below the second");
    r.original_length = keys.size_or("original_max_position_embeddings", original_length, 1,
                                     config_limits::context);
    r.truncate = keys.get<bool>("truncate", true);
    if (r.factor == 1) {  // nothing is stretched
      keys.only("attention_factor", 1.0);
      keys.ignore({"mscale", "mscale_all_dim"});
      out = {.rope = {.theta = r.theta}};
      keys.add_unknown(unknown);
      return out;
    }
    const double mscale = keys.number_or("mscale", 0, 0, 100);
    out.mscale_all_dim = keys.number_or("mscale_all_dim", 0, 0, 100);
    if (keys.has("attention_factor"))
      r.concentration = keys.number("attention_factor", 1e-6, 1e6);
    else if (mscale > 0 && out.mscale_all_dim > 0)
      r.concentration = yarn_growth(r.factor, mscale) / yarn_growth(r.factor, out.mscale_all_dim);
    else
      r.concentration = yarn_growth(r.factor, 1);
  }
  keys.add_unknown(unknown);
  return out;
}

/// Rotary positions in either dialect: "rope_theta" and "rope_scaling" (files as downloaded), or
/// "rope_parameters" (files saved by transformers 5). Throws `error` when a file has both and they
/// differ. `original_length` holds where YaRN does not name it.
inline rope_keys read_rope(config_keys& keys, index_t original_length,
                           std::vector<std::string>& unknown) {
  std::optional<double> theta;
  if (keys.has("rope_theta")) theta = keys.number("rope_theta", 1, 1e15);
  std::optional<rope_keys> found;
  std::string first;
  for (const char* name : {"rope_parameters", "rope_scaling"}) {
    if (!keys.has(name)) continue;
    config_keys inner = keys.object(name);
    if (inner.has("rope_theta") && theta) {
      const double again = inner.number("rope_theta", 1, 1e15);
      expects(again == *theta, inner.source(), ": \"rope_theta\" is ", again,
              ", but outside of it ", *theta, "; expected the same");
    } else if (!theta) {
      theta = inner.number("rope_theta", 1, 1e15);
    }
    const rope_keys one = read_rope_object(inner, *theta, original_length, unknown);
    expects(!found || *found == one, keys.source(), ": \"", name, "\" and \"", first,
            "\" differ, expected the same positions");
    found = one;
    first = name;
  }
  if (found) return *found;
  rope_keys plain;
  plain.rope.theta = theta ? *theta : keys.number("rope_theta", 1, 1e15);  // names what is missing
  return plain;
}

/// Tokens: one, a list, or none.
inline std::vector<std::int32_t> read_tokens(config_keys& keys, const std::string& key,
                                             index_t vocab) {
  if (!keys.has(key)) return {};
  const auto value = keys.get<json>(key);
  auto all = value.is_array() ? keys.get<std::vector<std::int32_t>>(key)
                              : std::vector<std::int32_t>{keys.get<std::int32_t>(key)};
  for (const std::int32_t token : all)
    expects(token >= -1 && token < vocab, keys.source(), ": \"", key, "\" is ", shown(value),
            ", expected tokens below the \"vocab_size\" ", vocab);
  std::erase(all, -1);  // means none
  return all;
}

/// The widths of the sliding windows from "layer_types", one of "sliding_attention" and
/// "full_attention" for every layer; nothing when the file has no such list.
inline std::optional<std::vector<index_t>> read_layer_types(config_keys& keys, index_t layers,
                                                            index_t window) {
  if (!keys.has("layer_types")) return std::nullopt;
  const auto types = keys.get<std::vector<std::string>>("layer_types");
  expects(static_cast<index_t>(types.size()) == layers, keys.source(), ": \"layer_types\" has ",
          types.size(), " entries, expected \"num_hidden_layers\", ", layers);
  std::vector<index_t> windows;
  for (std::size_t i = 0; i < types.size(); ++i) {
    const bool slides = types[i] == "sliding_attention";
    expects(slides || types[i] == "full_attention", keys.source(), ": \"layer_types\"[", i,
            "] is \"", types[i], "\", expected \"sliding_attention\" or \"full_attention\"");
    expects(!slides || window > 0, keys.source(), ": \"layer_types\"[", i,
            "] is \"sliding_attention\", but there is no \"sliding_window\"");
    windows.push_back(slides ? window : 0);
  }
  return windows;
}

/// "quantization_config": the name of the method, or "" when there is none. Throws `error` when it
/// is neither "mxfp4" nor "fp8" in blocks of 128 x 128.
inline std::string read_quantization(config_keys& keys, std::vector<std::string>& unknown) {
  if (!keys.has("quantization_config")) return "";
  config_keys inner = keys.object("quantization_config");
  auto method = inner.get<std::string>("quant_method");
  expects(method == "mxfp4" || method == "fp8" || method == "dsr1", inner.source(),
          ": \"quant_method\" is \"", method, "\", expected \"mxfp4\", \"fp8\" or \"dsr1\"");
  if (method == "fp8") {
    inner.only<std::string>("fmt", "e4m3");
    inner.only("weight_block_size", std::vector<index_t>{128, 128});
    inner.ignore({"activation_scheme", "scale_fmt"});
  }
  inner.ignore({"modules_to_not_convert", "dequantize"});
  if (method == "dsr1") inner.ignore({"experts", "dense"});  // the tensors say it themselves
  inner.add_unknown(unknown);
  return method;
}

/// Everything that the files of all families spell alike: sizes, heads, positions, tokens. What
/// depends on a family is left as `model_config` has it.
inline model_config read_decoder(config_keys& keys, rope_keys* positions = nullptr,
                                 std::optional<index_t> original_length = std::nullopt) {
  using limits = config_limits;
  model_config c;
  c.model_type = keys.get<std::string>("model_type");
  c.vocab = keys.size("vocab_size", 1, limits::vocab);
  c.dim = keys.size("hidden_size", 1, limits::width);
  c.layers = keys.size("num_hidden_layers", 1, limits::layers);
  c.context = keys.size("max_position_embeddings", 1, limits::context);
  c.norm_eps = keys.number("rms_norm_eps", 1e-30, 1);
  c.tied = keys.get<bool>("tie_word_embeddings", false);
  c.heads = keys.size("num_attention_heads", 1, limits::width);
  c.kv_heads = keys.size("num_key_value_heads", 1, limits::width);
  expects(c.heads % c.kv_heads == 0, keys.source(), ": \"num_attention_heads\" is ", c.heads,
          ", expected a multiple of \"num_key_value_heads\", ", c.kv_heads);
  c.attention_bias = keys.get<bool>("attention_bias", false);
  keys.only<std::string>("hidden_act", "silu");

  const rope_keys rope = read_rope(keys, original_length.value_or(c.context), c.unknown);
  c.rope = rope.rope;
  if (positions != nullptr) *positions = rope;
  c.window.assign(static_cast<std::size_t>(c.layers), 0);
  c.quantization = read_quantization(keys, c.unknown);
  c.balance_loss = keys.number_or("router_aux_loss_coef", 0, 0, 1e6);

  c.end = read_tokens(keys, "eos_token_id", c.vocab);
  const auto single = [&](const char* key) {
    const auto tokens = read_tokens(keys, key, c.vocab);
    expects(tokens.size() < 2, keys.source(), ": \"", key, "\" is a list of ", tokens.size(),
            ", expected one token");
    return tokens.empty() ? -1 : tokens[0];
  };
  c.begin = single("bos_token_id");
  c.padding = single("pad_token_id");
  // What only training, another program or the Python classes look at.
  keys.ignore({"architectures", "auto_map", "torch_dtype", "dtype", "transformers_version",
               "use_cache", "attention_dropout", "initializer_range", "output_router_logits",
               "output_attentions", "output_hidden_states", "_name_or_path", "id2label", "label2id",
               "problem_type", "return_dict", "is_encoder_decoder", "chunk_size_feed_forward"});
  return c;
}

/// Sets the head's size of grouped-query attention: "head_dim", which must be even, or hidden_size
/// / num_attention_heads where a family leaves it out.
inline void read_head_dim(config_keys& keys, model_config& c, bool required) {
  if (required || keys.has("head_dim")) {
    c.head_dim = keys.size("head_dim", 2, config_limits::width);
  } else {
    expects(c.dim % c.heads == 0, keys.source(), ": \"hidden_size\" is ", c.dim,
            ", expected a multiple of \"num_attention_heads\", ", c.heads,
            ", because there is no \"head_dim\"");
    c.head_dim = c.dim / c.heads;
  }
  expects(c.head_dim % 2 == 0, keys.source(), ": the heads have ", c.head_dim,
          " numbers, expected an even number for rotary positions");
  expects(c.heads * c.head_dim <= config_limits::width, keys.source(), ": ", c.heads, " heads of ",
          c.head_dim, " numbers, expected at most ", config_limits::width, " together");
}

/// Sets the number of experts, under either of its names, and how many of them a token goes to.
inline void read_experts(config_keys& keys, model_config& c,
                         std::initializer_list<std::string> count,
                         std::initializer_list<std::string> chosen) {
  c.experts = keys.size_of(count, 1, config_limits::experts);
  c.top_k = keys.size_of(chosen, 1, config_limits::experts);
  expects(c.top_k <= c.experts, keys.source(), ": \"", *chosen.begin(), "\" is ", c.top_k,
          ", expected at most the number of experts, ", c.experts);
}

}  // namespace dsr1
