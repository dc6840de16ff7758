// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A training run in memory: model, optimizer and place in the data, saved and restored together.
#pragma once

#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <numeric>
#include <vector>

#include <dsr1/comm/rank_group.hpp>
#include <dsr1/cpu.hpp>
#include <dsr1/data.hpp>
#include <dsr1/moe/balance_experts.hpp>
#include <dsr1/moe/move_experts.hpp>
#include <dsr1/optim.hpp>
#include <dsr1/train.hpp>

#include "run.hpp"

namespace seed {

/// Where the batches of a run come from: endless, and the same from the same state.
class batch_source {
 public:
  virtual ~batch_source() = default;
  virtual void next(dsr1::packed_batch& batch) = 0;
  virtual dsr1::loader_state state() const = 0;
  virtual void restore(const dsr1::loader_state& state) = 0;
};

/// A loader of the library as a source; what it reads must outlive it.
template <class Loader>
class loader_source final : public batch_source {
 public:
  template <class Data, class Options>
  loader_source(const Data& data, const Options& options) : loader_(data, options) {}
  void next(dsr1::packed_batch& batch) override { loader_.next(batch); }
  dsr1::loader_state state() const override { return loader_.state(); }
  void restore(const dsr1::loader_state& state) override { loader_.restore(state); }

 private:
  Loader loader_;
};

/// Everything that a step changes, on one of the ranks that train together. Two sessions of one
/// configuration and one number of ranks give the same bits, whatever their numbers of threads, and
/// whether or not they were saved and restored in between. All ranks read the same batches and
/// compute their share of each, so a run may go on with another number of ranks. Everything but the
/// accessors is collective.
class session {
 public:
  using context_type = dsr1::context<dsr1::cpu, dsr1::rank_group>;
  using trainer_type = dsr1::trainer<context_type, model, dsr1::muon>;

  session(const run_config& c, std::unique_ptr<batch_source> source, int threads,
          dsr1::rank_group group)
      : config_(c),
        context_({.threads = threads, .seed = c.seed}, std::move(group)),
        model_(initialized(context_, distributed(make(c.size, c.balance_rate), c.size,
                                                 context_.comm(), c.expert_ranks))),
        trainer_(context_, model_, optimizer_of(c), {.sync = c.sync}),
        source_(std::move(source)),
        batch_(c.tokens),
        schedule_(schedule_of(c)) {}
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  context_type& context() { return context_; }
  model& network() { return model_; }
  index_t steps() const { return trainer_.steps(); }
  index_t tokens() const { return tokens_; }
  /// The choices of the experts since the last `load().clear()`.
  dsr1::load_matrix& load() { return trainer_.load(); }
  /// What this rank has sent and received.
  dsr1::traffic counted() { return trainer_.counted(); }

  dsr1::step_report step() {
    source_->next(batch_);
    const dsr1::training_batch one[] = {my_share()};
    const dsr1::step_report r = trainer_.step(one, config_.rate * schedule_(steps()));
    tokens_ += r.tokens;
    if (config_.rebalance_steps > 0 && steps() % config_.rebalance_steps == 0) rebalance();
    return r;
  }

  /// The load of the busiest rank over the mean, from the choices since the last `load().clear()`;
  /// 1 when experts are not spread.
  double rank_imbalance() {
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

  /// The loss over about `most` targets of a data set (all when it has fewer), in batches evenly
  /// spread over it, each document by itself and each target once. A piece of a long document
  /// begins with half a sequence that was scored before, so that few targets lack what stood before
  /// them.
  dsr1::token_loss evaluate(const dsr1::dataset& data, index_t most,
                            const std::function<bool(index_t)>& go_on = {}) {
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

  /// The loss over all examples of a set.
  dsr1::token_loss evaluate(const dsr1::example_set& set) {
    dsr1::example_pass pass(set, config_.tokens);
    return evaluate_batches([&](dsr1::packed_batch& batch) { return pass.next(batch); });
  }

  /// Writes the checkpoint of this step, with what the program adds, and keeps the newest `keep`.
  void save(const std::filesystem::path& folder, const dsr1::json& program = dsr1::json::object(),
            std::size_t keep = 2) {
    dsr1::checkpoint::save(context_, folder, trainer_,
                           {{"loader", source_->state().to_json()},
                            {"tokens", tokens_},
                            {"load", {{"layers", load().layers}, {"counts", load().counts}}},
                            {"program", program}},
                           keep);
  }

  /// Returns what the program had added. Throws `error` when the checkpoint is damaged, of another
  /// model, or of other data.
  dsr1::json_object restore(const std::filesystem::path& checkpoint) {
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

  /// Takes the weights of another run's checkpoint; steps and optimizer stay at their beginning.
  void begin_from(const std::filesystem::path& checkpoint) {
    dsr1::on_all_ranks(context_.comm(), "reading the weights to begin with", [&] {
      dsr1::checkpoint::verify(checkpoint, context_.comm().rank(), context_.comm().size());
      dsr1::load_parameters(context_, (checkpoint / "model.safetensors").string(), model_);
    });
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

/// How many steps fit into the minutes: measured on a session that is thrown away.
inline index_t steps_for(double minutes, run_config c, std::unique_ptr<batch_source> source,
                         int threads, dsr1::rank_group group) {
  c.steps = 1000;
  c.rate = 0;  // the first values route like a balanced model
  session s(c, std::move(source), threads, std::move(group));
  std::vector<double> took;
  for (int i = 0; i < 10; ++i) {
    const auto start = std::chrono::steady_clock::now();
    s.step();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    if (i >= 2) took.push_back(time.count());
  }
  std::nth_element(took.begin(), took.begin() + 4, took.end());
  // The rest is for evaluations, checkpoints and a machine that is not always this quick.
  index_t steps = std::max<index_t>(10, static_cast<index_t>(0.92 * 60 * minutes / took[4]));
  s.context().comm().broadcast(dsr1::view<index_t, 1>(&steps, 1));
  return steps;
}

/// Bits per byte of text of a loss over some or all of a data set's targets: the share of the
/// targets stands for the share of the bytes.
inline double bits_per_byte(const dsr1::token_loss& loss, const dsr1::dataset& data) {
  const double share = static_cast<double>(loss.tokens) / static_cast<double>(data.targets());
  return loss.sum / std::log(2.0) / (share * static_cast<double>(data.bytes()));
}

}  // namespace seed
