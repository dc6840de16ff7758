// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The engine for each type of model, on any backend.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include <dsr1/backend/context.hpp>
#include <dsr1/io/checkpoint_folder.hpp>
#include <dsr1/model/families.hpp>
#include <dsr1/model/load.hpp>
#include <dsr1/model/multi_token_draft.hpp>

#include "engine.hpp"

namespace checkpoint {

template <class Backend, class Published>
class engine_of final : public engine {
  using context = dsr1::context<Backend>;
  using model = typename Published::model;
  using multi_token = typename Published::multi_token;

 public:
  engine_of(dsr1::model_config c, const std::filesystem::path& folder, const engine_options& o)
      : config_(std::move(c)),
        options_(o),
        source_(folder.string()),
        ctx_({.threads = o.threads, .activations = o.activations}) {
    const auto load = [&](auto& m) {
      load_checkpoint(
          ctx_, m, config_, dsr1::family_of(config_.model_type), source_,
          {.packed = o.packed, .experts = o.experts, .gradients = false, .progress = o.progress});
      if (o.expert_memory > 0)
        store_.emplace(ctx_, m, dsr1::expert_store_options{.bytes = o.expert_memory});
    };
    if (config_.draft_layers == 1) {
      with_draft_.emplace(Published::make_multi_token(config_));
      load(*with_draft_);
      Published::use_form(with_draft_->draft().block(), dsr1::latent_form::absorbed);
    } else {
      plain_.emplace(Published::make(config_));
      load(*plain_);
    }
    Published::use_form(main(), dsr1::latent_form::absorbed);
  }

  const dsr1::model_config& config() const override { return config_; }

  dsr1::request_id submit(dsr1::generation_request request) override {
    return run().submit(std::move(request));
  }
  bool cancel(dsr1::request_id id) override { return run().cancel(id); }
  dsr1::expert_store_counts expert_counts() const override {
    return store_ ? store_->counts() : dsr1::expert_store_counts{};
  }
  bool step(const std::function<void(const token_event&)>& on_token) override {
    return run().step([&](const dsr1::generated_token<float>& t) {
      on_token({t.request, t.token, t.why});
    });
  }

  dsr1::speculative_counts speculate(const dsr1::generation_request& request, index_t guesses,
                                     const std::function<bool(std::int32_t)>& on_token) override {
    dsr1::expects(with_draft_.has_value(), source_.path(),
                  ": the model has no multi-token-prediction layer");
    const dsr1::cache_options cache = one_slot();
    dsr1::decoder target(ctx_, main(), cache);
    dsr1::multi_token_draft draft(ctx_, *with_draft_, cache);
    dsr1::speculative_decoder decode(target, draft,
                                     {.guesses = guesses, .sampling = request.sampling});
    decode.begin(request.prompt);
    for (index_t made = 0; made < request.max_tokens;)
      for (const std::int32_t token : decode.step(request.max_tokens - made)) {
        ++made;
        const auto& stops = request.stop_tokens;
        if (std::find(stops.begin(), stops.end(), token) != stops.end() || !on_token(token))
          return decode.counts();
      }
    return decode.counts();
  }

 private:
  model& main() { return with_draft_ ? with_draft_->model() : *plain_; }
  dsr1::cache_options one_slot() const {
    return {.slots = 1, .capacity = options_.capacity, .chunk = options_.chunk};
  }
  /// The generator takes its caches when the first request comes.
  dsr1::generator<context, model>& run() {
    if (!generator_)
      generator_.emplace(
          ctx_, main(),
          dsr1::generator_options{.cache = {.slots = options_.slots,
                                            .capacity = options_.capacity,
                                            .chunk = options_.chunk},
                                  .step_tokens = std::max(options_.step_tokens, options_.slots)});
    return *generator_;
  }

  dsr1::model_config config_;
  engine_options options_;
  dsr1::checkpoint_folder source_;
  context ctx_;
  std::optional<model> plain_;
  std::optional<multi_token> with_draft_;
  std::optional<dsr1::expert_store<context>> store_;
  std::optional<dsr1::generator<context, model>> generator_;
};

template <class Backend>
std::unique_ptr<engine> open_engine_on(const dsr1::model_config& config,
                                       const std::filesystem::path& folder,
                                       const engine_options& options) {
  return dsr1::with_published<float>(
      config, [&]<class Published>(Published) -> std::unique_ptr<engine> {
        return std::make_unique<engine_of<Backend, Published>>(config, folder, options);
      });
}

}  // namespace checkpoint
