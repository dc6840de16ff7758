// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What trains and generates, on any backend.
#pragma once

#include <numeric>
#include <type_traits>
#include <vector>

#include <dsr1/backend/context.hpp>
#include <dsr1/comm/loopback.hpp>
#include <dsr1/io/parameters.hpp>
#include <dsr1/moe/balance_experts.hpp>
#include <dsr1/moe/move_experts.hpp>
#include <dsr1/nn/initialize.hpp>
#include <dsr1/optim.hpp>
#include <dsr1/train.hpp>

#include "device.hpp"

namespace seed {

/// A session of one backend; ranks other than one are of a `rank_group`.
template <class Backend, class Comm>
class session_of final : public session {
 public:
  using context_type = dsr1::context<Backend, Comm>;
  using trainer_type = dsr1::trainer<context_type, model, dsr1::muon>;

  session_of(const run_config& c, std::unique_ptr<batch_source> source, int threads, Comm comm)
      : config_(c),
        context_({.threads = threads, .seed = c.seed}, std::move(comm)),
        model_(initialized(context_, distributed(make(c.size, c.balance_rate), c.size,
                                                 context_.comm(), c.expert_ranks))),
        trainer_(context_, model_, optimizer_of(c), {.sync = c.sync}),
        source_(std::move(source)),
        batch_(c.tokens),
        schedule_(schedule_of(c)) {}

  model& network() override { return model_; }
  index_t steps() const override { return trainer_.steps(); }
  index_t tokens() const override { return tokens_; }
  dsr1::load_matrix& load() override { return trainer_.load(); }
  dsr1::traffic counted() override { return trainer_.counted(); }
  std::string device() override {
    if constexpr (std::is_same_v<Backend, dsr1::cpu>) {
      const int threads = context_.device().pool().size();
      return dsr1::text(threads, threads == 1 ? " thread, " : " threads, ",
                        dsr1::name_of(context_.device().instructions()));
    } else {
      return dsr1::text("CUDA device ", context_.device().number());
    }
  }

  dsr1::step_report step() override {
    source_->next(batch_);
    const dsr1::training_batch one[] = {my_share()};
    const dsr1::step_report r = trainer_.step(one, config_.rate * schedule_(steps()));
    tokens_ += r.tokens;
    if constexpr (!std::is_same_v<Comm, dsr1::loopback>)  // one rank has all experts
      if (config_.rebalance_steps > 0 && steps() % config_.rebalance_steps == 0) rebalance();
    return r;
  }

  double rank_imbalance() override {
    double worst = 1;
    for (index_t l = 0; l < static_cast<index_t>(load().layers.size()); ++l) {
      const auto ranks = dsr1::rank_loads(experts_of(model_, l).where(), load().row(l));
      const double sum = std::accumulate(ranks.begin(), ranks.end(), 0.0);
      if (sum > 0)
        worst = std::max(worst, *std::max_element(ranks.begin(), ranks.end()) *
                                    static_cast<double>(ranks.size()) / sum);
    }
    return worst;
  }

  dsr1::token_loss evaluate(const dsr1::dataset& data, index_t most,
                            const std::function<bool(index_t)>& go_on) override {
    const index_t context = std::min(config_.length, config_.tokens) / 2;
    dsr1::evaluation_pass pass(data, {.tokens = config_.tokens, .length = config_.length}, context);
    const index_t every = std::max<index_t>(1, data.targets() / most);
    index_t batches = 0;
    const auto next = [&](dsr1::packed_batch& batch) {
      do {
        if (!pass.next(batch)) return false;
      } while (batches++ % every != 0);
      return true;
    };
    return evaluate_batches(next, go_on);
  }

  dsr1::token_loss evaluate(const dsr1::example_set& set) override {
    dsr1::example_pass pass(set, config_.tokens);
    return evaluate_batches([&](dsr1::packed_batch& batch) { return pass.next(batch); });
  }

  void save(const std::filesystem::path& folder, const dsr1::json& program,
            std::size_t keep) override {
    dsr1::checkpoint::save(context_, folder, trainer_,
                           {{"loader", source_->state().to_json()},
                            {"tokens", tokens_},
                            {"load", {{"layers", load().layers}, {"counts", load().counts}}},
                            {"program", program}},
                           keep);
  }

  dsr1::json_object restore(const std::filesystem::path& checkpoint) override {
    const dsr1::json_object state(dsr1::checkpoint::load(context_, checkpoint, trainer_),
                                  (checkpoint / "state.json").string() + ": \"user\"");
    source_->restore(dsr1::loader_state::from_json(state.object("loader")));
    tokens_ = state.get<index_t>("tokens");
    const dsr1::json_object seen = state.object("load");
    dsr1::load_matrix& load = trainer_.load();
    load.layers = seen.get<std::vector<std::string>>("layers");
    load.counts = seen.get<std::vector<double>>("counts");
    load.experts = load.layers.empty() ? 0 : config_.size.experts;
    dsr1::expects(
        load.counts.size() == load.layers.size() * static_cast<std::size_t>(config_.size.experts),
        seen.source(), " has ", load.counts.size(), " counts for ", load.layers.size(),
        " layers of ", config_.size.experts, " experts");
    return {state.get<dsr1::json>("program", dsr1::json::object()),
            state.source() + ": \"program\""};
  }

  void begin_from(const std::filesystem::path& checkpoint) override {
    dsr1::on_all_ranks(context_.comm(), "reading the weights to begin with", [&] {
      dsr1::checkpoint::verify(checkpoint, context_.comm().rank(), context_.comm().size());
      dsr1::load_parameters(context_, (checkpoint / "model.safetensors").string(), model_);
    });
  }

  void write(std::ostream& out, const tokenizer& words, const generation& what) override {
    generate_text(out, context_, model_, config_, words, what);
  }

 private:
  /// Warm-up over a fiftieth, constant, then linear to zero.
  static dsr1::schedule schedule_of(const run_config& c) {
    return {.shape = dsr1::schedule_shape::wsd_linear,
            .warmup = std::max<index_t>(1, c.steps / 50),
            .total = c.steps,
            .decay = c.steps * 3 / 5};
  }

  /// Muon for the matrices of attention, AdamW for all else: for the many small experts, each of
  /// which sees few tokens of a batch, Muon costs as much as the whole step and gains less.
  static dsr1::muon optimizer_of(const run_config& c) {
    const dsr1::weight_decay decay = {.value = c.weight_decay};
    return {.scale = dsr1::muon_scale::match_rms,
            .weight_decay = decay,
            .rest = {.weight_decay = decay},
            .matrices = [](std::string_view name) { return name.find("attention") != name.npos; }};
  }

  /// Moves a few experts away from the busiest ranks.
  void rebalance() {
    trainer_.relocate([&] {
      for (index_t l = 0; l < static_cast<index_t>(load().layers.size()); ++l) {
        experts& layer = experts_of(model_, l);
        const auto to = dsr1::improve_placement(layer.where(), load().row(l), 4).to;
        dsr1::move_experts(context_, layer, to, dsr1::text("layers.", l, ".moe.experts"),
                           trainer_.optimizer());
      }
    });
  }

  static model initialized(context_type& ctx, model m) {
    dsr1::initialize(ctx, m);
    return m;
  }

  /// The loss over the batches that `next` fills, until it says that there is none or `go_on`,
  /// given the targets so far, that it is enough.
  template <class Next>
  dsr1::token_loss evaluate_batches(Next&& next, const std::function<bool(index_t)>& go_on = {}) {
    dsr1::token_loss total;
    while (next(batch_)) {
      const dsr1::token_loss mine = trainer_.evaluate(my_share());
      double sums[] = {mine.sum, static_cast<double>(mine.tokens)};
      context_.comm().all_reduce(dsr1::view<double, 1>(sums, 2));
      total.sum += sums[0];
      total.tokens += static_cast<index_t>(sums[1]);
      if (go_on && !go_on(total.tokens)) break;
    }
    return total;
  }

  dsr1::training_batch my_share() {
    share_.take(batch_, context_.comm().rank(), context_.comm().size());
    return {{share_.inputs(), share_.sequences()}, share_.targets()};
  }

  run_config config_;
  context_type context_;
  model model_;
  trainer_type trainer_;
  std::unique_ptr<batch_source> source_;
  dsr1::packed_batch batch_;
  dsr1::batch_share share_;
  dsr1::schedule schedule_;
  index_t tokens_ = 0;
};

template <class Backend>
std::unique_ptr<session> session_on(const run_config& c, std::unique_ptr<batch_source> source,
                                    int threads, dsr1::rank_group group) {
  if constexpr (std::is_same_v<Backend, dsr1::cpu>)
    return std::make_unique<session_of<Backend, dsr1::rank_group>>(c, std::move(source), threads,
                                                                   std::move(group));
  else
    return std::make_unique<session_of<Backend, dsr1::loopback>>(c, std::move(source), threads,
                                                                 dsr1::loopback());
}

template <class Backend>
generation_report generate_on(const std::filesystem::path& checkpoint, const run_config& c,
                              int threads, std::ostream& out, const tokenizer& words,
                              const generation& what) {
  dsr1::context<Backend> ctx({.threads = threads});
  dsr1::checkpoint::verify(checkpoint);
  model m = make(c.size);
  dsr1::initialize(ctx, m, false);
  dsr1::load_parameters(ctx, (checkpoint / "model.safetensors").string(), m);
  return generate_text(out, ctx, m, c, words, what);
}

}  // namespace seed
