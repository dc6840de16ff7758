// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// One checkpoint folder against its golden vectors, in one number type, on any backend.
#pragma once

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include <dsr1/io/checkpoint_folder.hpp>
#include <dsr1/model/decoder.hpp>
#include <dsr1/model/families.hpp>
#include <dsr1/model/load.hpp>

#include "check_checkpoint.hpp"
#include "golden.hpp"
#include "report.hpp"

namespace checkpoint {

/// Everything that a comparison needs to know.
template <class Ctx, class T>
struct checked {
  Ctx& ctx;
  const dsr1::model_config& config;
  const dsr1::checkpoint_folder& source;
  const std::filesystem::path& folder;
  report& out;
  bool packed;

  std::string form() const {
    return std::string(sizeof(T) == 8 ? "double" : packed ? "float, packed" : "float");
  }
  dsr1::load_options load() const { return {.packed = packed}; }

  template <class U>
  void compare(const std::string& kind, const std::vector<U>& values,
               const std::vector<double>& expected, double tolerance) const {
    dsr1::expects(values.size() == expected.size(), kind, ": ", values.size(),
                  " numbers, the golden file has ", expected.size());
    out.add(
        form(), kind,
        dsr1::testing::compare(values.data(), expected.data(), static_cast<index_t>(values.size())),
        tolerance);
  }
  void compare(const std::string& kind, dsr1::view<const T, 2> values,
               const std::vector<double>& expected, double tolerance) const {
    compare(kind, host(values), expected, tolerance);
  }

  /// A copy of a tensor of the model, wherever it lies.
  template <class U, int Rank>
  std::vector<std::remove_const_t<U>> host(dsr1::view<U, Rank> x) const {
    std::vector<std::remove_const_t<U>> values(static_cast<std::size_t>(x.size()));
    Ctx::backend::download(ctx, dsr1::view<const std::remove_const_t<U>, 1>(x.flat()),
                           values.data());
    return values;
  }
};

/// Logits and loss: in double against the reference's double, else against its float.
template <class Ctx, class T>
void compare_logits(const checked<Ctx, T>& c, const golden& g, const std::string& prefix,
                    dsr1::view<const T, 2> logits) {
  const bool wide = sizeof(T) == 8;
  c.compare(prefix + "logits", logits, g.numbers(prefix + (wide ? "logits64" : "logits")),
            wide ? 1e-9 : g.tolerance(prefix + "logits"));
}
template <class Ctx, class T>
void compare_loss(const checked<Ctx, T>& c, const golden& g, const std::string& prefix,
                  double loss) {
  const bool wide = sizeof(T) == 8;
  c.compare(prefix + "loss", std::vector<double>{loss},
            g.numbers(prefix + (wide ? "loss64" : "loss")),
            wide ? 1e-9 : std::max(g.tolerance(prefix + "loss"), 1e-6));
}

/// What the router of one layer did, experts sorted by weight as in the golden file.
template <class Ctx, class T, class Saved>
void compare_router(const checked<Ctx, T>& c, const golden& g, index_t layer, const Saved& moe) {
  const std::string end = "." + std::to_string(layer);
  if (!g.has("router_logits" + end)) return;
  c.compare("router_logits", moe.logits, g.numbers("router_logits" + end),
            g.tolerance("router_logits"));
  const std::vector<std::int32_t> index = c.host(moe.index);
  const std::vector<T> weight = c.host(moe.weight);
  const index_t k = moe.index.columns();
  std::vector<double> chosen, weights;
  std::vector<index_t> order(static_cast<std::size_t>(k));
  for (index_t t = 0; t < moe.index.rows(); ++t) {
    std::iota(order.begin(), order.end(), t * k);
    const auto at = [](index_t i) { return static_cast<std::size_t>(i); };
    std::stable_sort(order.begin(), order.end(),
                     [&](index_t a, index_t b) { return weight[at(a)] > weight[at(b)]; });
    for (const index_t j : order) {
      chosen.push_back(index[at(j)]);
      weights.push_back(static_cast<double>(weight[at(j)]));
    }
  }
  c.compare("topk_index", chosen, g.numbers("topk_index" + end), 0);
  c.compare("topk_weight", weights, g.numbers("topk_weight" + end), g.tolerance("topk_weight"));
}

/// The states between the layers, and the routers, from what a forward pass saved.
template <class Model, class Ctx, class T>
void compare_layers(const checked<Ctx, T>& c, const golden& g, const typename Model::saved& s) {
  const auto state = [&](index_t layer, const dsr1::view<const T, 2>& x) {
    if (!g.has("hidden." + std::to_string(layer))) return;
    c.compare("hidden", x, g.numbers("hidden." + std::to_string(layer)), g.tolerance("hidden"));
  };
  const auto layers = static_cast<index_t>(s.body.each.size());
  for (index_t i = 0; i < layers; ++i) {
    const auto& [attention, mlp] = s.body.each[static_cast<std::size_t>(i)].each;
    if (i > 0) state(i - 1, attention.norm.x);
    if (c.config.sparse[static_cast<std::size_t>(i)]) compare_router(c, g, i, mlp.inner.first);
  }
  state(layers - 1, s.norm.x);
}

/// Every parameter gradient.
template <class Ctx, class T, class Model>
void compare_gradients(const checked<Ctx, T>& c, const golden& g, Model& model) {
  const auto rule = dsr1::family_of(c.config.model_type);
  model.for_each_parameter([&](const dsr1::parameter_name& chain, auto& p) {
    if (p.traits().update != dsr1::update_rule::optimizer) return;
    const std::string name = chain.str();
    const auto expected = dsr1::numbers_of<double>(
        gradient_source{g.file()}, dsr1::rule_of(c.config, rule, name), name, p.size());
    const auto gradient = c.host(p.gradients().as(p.size()));
    const auto d = dsr1::testing::compare(gradient.data(), expected.data(), p.size());
    c.out.add(c.form(), "gradient", d, std::max(g.tolerance("grad"), 1e-5 + 1e-4 * d.scale));
  });
}

/// The golden continuation, token by token with caches.
template <class Ctx, class T, class Model>
void compare_text(const checked<Ctx, T>& c, Model& model) {
  if (!std::filesystem::exists(c.folder / "greedy.json")) return;
  const dsr1::json_object greedy = dsr1::json_object::read(c.folder / "greedy.json");
  auto fresh = greedy.get<std::vector<std::int32_t>>("prompt");
  const auto expected = greedy.get<std::vector<std::int32_t>>("generated");
  const auto length = static_cast<index_t>(fresh.size() + expected.size());
  dsr1::decoder decode(c.ctx, model, dsr1::cache_options{.capacity = length, .chunk = 5});
  std::vector<double> tokens;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto logits = decode.feed(0, fresh);
    fresh = {
        static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin())};
    tokens.push_back(fresh[0]);
  }
  c.compare("greedy text", tokens, std::vector<double>(expected.begin(), expected.end()), 0);
}

/// Without golden values: eight tokens give finite logits.
template <class Ctx, class T, class Model>
void compare_finite(const checked<Ctx, T>& c, Model& model) {
  const std::int32_t most = static_cast<std::int32_t>(std::min<index_t>(c.config.vocab, 8));
  std::vector<std::int32_t> ids(static_cast<std::size_t>(most));
  std::iota(ids.begin(), ids.end(), 0);
  dsr1::decoder decode(c.ctx, model, dsr1::cache_options{.capacity = most, .chunk = most});
  const auto logits = decode.feed(0, ids);
  const auto bad =
      std::count_if(logits.begin(), logits.end(), [](T x) { return !std::isfinite(x); });
  c.out.add(c.form(), "not finite", {.absolute = static_cast<double>(bad), .scale = 0}, 0);
}

/// A model without multi-token prediction.
template <class Published, class Ctx, class T>
void check_model(const checked<Ctx, T>& c) {
  using model_type = typename Published::model;
  auto model = Published::make(c.config);
  if (c.packed) Published::use_form(model, dsr1::latent_form::absorbed);
  load_checkpoint(c.ctx, model, c.config, dsr1::family_of(c.config.model_type), c.source, c.load());
  if (std::filesystem::exists(c.folder / "golden.safetensors")) {
    const golden g(c.folder);
    typename model_type::saved s;
    const bool train = g.has_gradients() && !c.packed;
    double loss = 0;
    if (train) loss = model.train(c.ctx, g.batch(), g.targets(), g.scale(1), s).mean();
    // Once more, because `train` gives no logits.
    c.ctx.workspace().reset();
    const auto h = model.hidden(c.ctx, g.batch(), s);
    const dsr1::view<const T, 2> y = model.logits(c.ctx, dsr1::view<const T, 2>(h));
    compare_logits(c, g, "", y);
    compare_layers<model_type>(c, g, s);
    c.ctx.workspace().reset();
    typename model_type::saved other;
    if (!train) loss = model.evaluate(c.ctx, g.batch(), g.targets(), other).mean();
    compare_loss(c, g, "", loss);
    if (train) compare_gradients(c, g, model);
  } else {
    compare_finite(c, model);
  }
  compare_text(c, model);
}

/// A model with its multi-token-prediction layer.
template <class Published, class Ctx, class T>
void check_multi_token(const checked<Ctx, T>& c) {
  auto model = Published::make_multi_token(c.config);
  if (c.packed) Published::use_form(model.model(), dsr1::latent_form::absorbed);
  load_checkpoint(c.ctx, model, c.config, dsr1::family_of(c.config.model_type), c.source, c.load());
  const golden g(c.folder);
  typename Published::multi_token::saved s;
  const bool train = g.has_gradients() && !c.packed;
  if (train) {
    const auto loss = model.train(c.ctx, g.batch(), g.targets(), g.scale(1), 0.3 * g.scale(2), s);
    compare_loss(c, g, "", loss.model.mean());
    compare_loss(c, g, "mtp.", loss.draft.mean());
    compare_gradients(c, g, model);
  }
  c.ctx.workspace().reset();
  const dsr1::view<const T, 2> h = model.model().hidden(c.ctx, g.batch(), s.model);
  const dsr1::view<const T, 2> logits = model.model().logits(c.ctx, h);
  compare_logits(c, g, "", logits);
  compare_layers<typename Published::model>(c, g, s.model);
  const dsr1::view<const T, 2> y = model.draft_hidden(c.ctx, g.batch(), h, s);
  const dsr1::view<const T, 2> guessed = model.model().logits(c.ctx, y);
  compare_logits(c, g, "mtp.", guessed);
  const index_t layer = c.config.layers;
  c.compare("hidden", s.draft.norm.x, g.numbers("hidden." + std::to_string(layer)),
            g.tolerance("hidden"));
  compare_router(c, g, layer, std::get<1>(s.draft.block.each).inner.first);
  compare_text(c, model.model());
}

template <class Backend, class T>
void check_folder(int threads, const std::filesystem::path& folder,
                  const dsr1::model_config& config, const dsr1::checkpoint_folder& source,
                  bool packed, report& out) {
  dsr1::context<Backend> ctx({.threads = threads});
  const checked<dsr1::context<Backend>, T> c{ctx, config, source, folder, out, packed};
  dsr1::with_published<T>(config, [&]<class Published>(Published) {
    if (config.draft_layers > 0 && std::filesystem::exists(folder / "golden.safetensors"))
      check_multi_token<Published>(c);
    else
      check_model<Published>(c);
  });
}

}  // namespace checkpoint
