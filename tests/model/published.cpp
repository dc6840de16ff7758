// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Whole models against the reference implementations: logits, loss and every gradient, in double.

#include <map>

#include "battery/context.hpp"
#include "golden.hpp"

#include <dsr1/model/decoder.hpp>
#include <dsr1/model/published.hpp>
#include <dsr1/nn/initialize.hpp>
#include <dsr1/testing/compare.hpp>

using namespace dsr1;

namespace {

/// All tensors of a checkpoint folder, whatever its files.
struct checkpoint {
  std::vector<safetensors> files;
  std::map<std::string, const stored_tensor*> tensors;

  explicit checkpoint(const std::filesystem::path& folder) {
    for (const auto& f : std::filesystem::directory_iterator(folder))
      if (f.path().filename().string().starts_with("model") &&
          f.path().extension() == ".safetensors")
        files.emplace_back(f.path().string());
    for (const safetensors& f : files)
      for (const auto& [name, t] : f.tensors()) tensors[name] = &t;
  }
  const stored_tensor& operator()(const std::string& name) const {
    const auto it = tensors.find(name);
    expects(it != tensors.end(), "the checkpoint has no tensor ", name);
    return *it->second;
  }
};

/// The sizes that these three families share, from a config.json as downloaded.
struct config {
  json_object c;
  explicit config(const std::filesystem::path& folder)
      : c(json_object::read((folder / "config.published.json").string())) {}

  index_t number(const std::string& key) const { return c.get<index_t>(key); }
  index_t experts() const {
    return number(c.has("num_experts") ? "num_experts" : "num_local_experts");
  }

  attention_shape attention(family which, index_t layer) const {
    const index_t heads = number("num_attention_heads"), dim = number("hidden_size");
    attention_shape s{.dim = dim,
                      .heads = heads,
                      .kv_heads = number("num_key_value_heads"),
                      .head_dim = c.has("head_dim") && !c.value()["head_dim"].is_null()
                                      ? number("head_dim")
                                      : dim / heads};
    if (which == family::gpt_oss) {
      s.bias = s.sinks = true;
      if (c.value()["layer_types"][static_cast<std::size_t>(layer)] == "sliding_attention")
        s.window = number("sliding_window");
    }
    s.qk_norm = which == family::qwen3_moe;
    return s;
  }
  attention_options rope() const {
    attention_options o{.rope = {.theta = c.get<double>("rope_theta")},
                        .norm_eps = c.get<double>("rms_norm_eps")};
    if (!c.value()["rope_scaling"].is_object()) return o;
    const auto scaling = c.object("rope_scaling");
    o.rope.yarn = {.factor = scaling.get<double>("factor"),
                   .beta_fast = scaling.get<double>("beta_fast", 32),
                   .beta_slow = scaling.get<double>("beta_slow", 1),
                   .original_length = scaling.get<index_t>("original_max_position_embeddings"),
                   .truncate = scaling.get<bool>("truncate", true)};
    return o;
  }
  moe_shape mixture(family which) const {
    const bool oss = which == family::gpt_oss;
    return {.dim = number("hidden_size"),
            .hidden =
                number(which == family::qwen3_moe ? "moe_intermediate_size" : "intermediate_size"),
            .experts = experts(),
            .top_k = number("num_experts_per_tok"),
            .router_bias = oss,
            .expert_bias = oss};
  }
};

template <class Gate, class T>
published_lm<Gate, T> make(const config& c, family which, Gate gate) {
  using model = published_lm<Gate, T>;
  using body = std::remove_reference_t<decltype(std::declval<model>().body())>;
  using block = std::remove_reference_t<decltype(std::declval<body>()[0])>;
  const rms_norm_options norm{.eps = c.c.get<double>("rms_norm_eps")};
  const index_t dim = c.number("hidden_size");
  body layers(c.number("num_hidden_layers"), [&](index_t i) {
    using attention_type = attention<attention_shape{}, T>;
    using moe_type = moe<moe_shape{}, Gate, no_balance, T>;
    return block(
        residual(pre_norm(attention_type(c.attention(which, i), c.rope()), norm)),
        residual(pre_norm(
            moe_type(c.mixture(which), gate, {},
                     {.unit = which == family::gpt_oss ? glu::clamped_swiglu() : glu::swiglu()}),
            norm)));
  });
  return model({.vocab = c.number("vocab_size"), .dim = dim}, std::move(layers),
               {.norm_eps = norm.eps});
}

struct batch {
  std::vector<std::int32_t> ids, targets;
  std::vector<sequence> sequences;

  explicit batch(const safetensors& file) {
    const auto numbers = golden::numbers(file, "input_ids");
    const auto& shape = file.at("input_ids").shape;
    ids.assign(numbers.begin(), numbers.end());
    for (index_t b = 0; b < shape[0]; ++b) {
      sequences.push_back({.begin = b * shape[1], .length = shape[1]});
      for (index_t t = 0; t < shape[1]; ++t)
        targets.push_back(t + 1 < shape[1] ? ids[static_cast<std::size_t>(b * shape[1] + t + 1)]
                                           : -1);
    }
  }
  token_batch tokens() const {
    return {view<const std::int32_t, 1>(ids.data(), ids.size()), sequence_layout(sequences)};
  }
  view<const std::int32_t, 1> wanted() const {
    return view<const std::int32_t, 1>(targets.data(), targets.size());
  }
};

template <class T, class Gate>
void check(const std::string& name, family which, Gate gate, double logit_tolerance,
           double gradient_tolerance) {
  const auto path = golden::path("models/" + name + "/golden.safetensors");
  if (path.empty()) return;
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  const safetensors file(path);
  const checkpoint weights(folder);
  const config c(folder);
  context<cpu> ctx({.threads = 2});
  auto model = make<Gate, T>(c, which, gate);
  initialize(ctx, model);
  load_published(ctx, model, which, weights);
  const batch b(file);

  typename decltype(model)::saved saved;
  const token_loss loss =
      model.train(ctx, b.tokens(), b.wanted(),
                  1.0 / static_cast<double>(b.ids.size() - b.sequences.size()), saved);
  CHECK(loss.mean() ==
        Approx(golden::numbers(file, "loss64")[0]).epsilon(sizeof(T) == 8 ? 1e-10 : 1e-6));

  ctx.workspace().reset();
  const auto h = model.hidden(ctx, b.tokens(), saved);
  const auto logits = model.logits(ctx, view<const T, 2>(h));
  const auto expected = golden::numbers(file, "logits64");
  const auto d = testing::compare(logits.data, expected.data(), logits.size());
  INFO(name << ": logits differ by " << d.absolute);
  CHECK(d.absolute < logit_tolerance);

  // The gradients of the file were computed in float.
  model.for_each_parameter([&](const parameter_name& parameter, auto& p) {
    if (p.traits().update != update_rule::optimizer) return;
    const auto g =
        published_values<double>(which, parameter.str(), c.experts(),
                                 [&](const std::string& published) -> const stored_tensor& {
                                   return file.at("grad." + published);
                                 });
    const auto gap = testing::compare(p.gradients().data(), g.data(), p.size());
    INFO(name << ": gradient of " << parameter.str() << " differs by " << gap.absolute << " of "
              << gap.scale);
    CHECK(gap.absolute < gradient_tolerance + 1e-4 * gap.scale);
  });
}

}  // namespace

TEST_CASE("golden: gpt-oss, logits and every gradient", "[golden]") {
  check<double>("gpt_oss", family::gpt_oss, top_k_softmax_gate{}, 1e-9, 5e-5);
  check<float>("gpt_oss", family::gpt_oss, top_k_softmax_gate{}, 1.4e-4, 1e-4);
}

TEST_CASE("golden: Mixtral, logits and every gradient", "[golden]") {
  check<double>("mixtral", family::mixtral, softmax_gate{}, 1e-9, 5e-5);
  check<float>("mixtral", family::mixtral, softmax_gate{}, 1.4e-4, 1e-4);
}

TEST_CASE("golden: Qwen3-MoE, logits and every gradient", "[golden]") {
  check<double>("qwen3_moe", family::qwen3_moe, softmax_gate{}, 1e-9, 5e-5);
  check<float>("qwen3_moe", family::qwen3_moe, softmax_gate{}, 1.4e-4, 1e-4);
}

TEST_CASE("golden: gpt-oss, greedy text with caches", "[golden]") {
  const auto path = golden::path("models/gpt_oss/greedy.json");
  if (path.empty()) return;
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  const config c(folder);
  context<cpu> ctx({.threads = 2});
  auto model = make<top_k_softmax_gate, float>(c, family::gpt_oss, {});
  initialize(ctx, model, false);
  load_published(ctx, model, family::gpt_oss, checkpoint(folder));
  const auto greedy = json_object::read(path);
  auto prompt = greedy.get<std::vector<std::int32_t>>("prompt");
  decoder d(ctx, model, cache_options{.slots = 1, .capacity = 64, .chunk = 5});
  for (const std::int32_t expected : greedy.get<std::vector<std::int32_t>>("generated")) {
    const auto logits = d.feed(0, prompt);
    prompt = {
        static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin())};
    REQUIRE(prompt[0] == expected);
  }
}
