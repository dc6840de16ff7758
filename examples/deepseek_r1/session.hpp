// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A training run in memory: model, optimizer and place in the data, saved and restored together.
#pragma once

#include <cmath>
#include <functional>

#include <dsr1/cpu.hpp>
#include <dsr1/data.hpp>
#include <dsr1/optim.hpp>
#include <dsr1/train.hpp>

#include "run.hpp"

namespace seed {

/// Everything that a step changes. Two sessions of one configuration give the same bits, whatever
/// their numbers of threads, and whether or not they were saved and restored in between. The data
/// set must outlive the session.
class session {
 public:
  using context_type = dsr1::context<dsr1::cpu>;
  using trainer_type = dsr1::trainer<context_type, model, dsr1::muon>;

  session(const run_config& c, const dsr1::dataset& train, int threads)
      : config_(c),
        context_({.threads = threads, .seed = c.seed}),
        model_(initialized(context_, make(c.size, c.balance_rate))),
        trainer_(context_, model_, optimizer_of(c)),
        loader_(train, {.tokens = c.tokens, .length = c.length, .seed = c.seed}),
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

  dsr1::step_report step() {
    loader_.next(batch_);
    const dsr1::training_batch one[] = {batch_of(batch_)};
    const dsr1::step_report r = trainer_.step(one, config_.rate * schedule_(steps()));
    tokens_ += r.tokens;
    return r;
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
    dsr1::token_loss total;
    for (index_t i = 0; pass.next(batch_); ++i) {
      if (i % every != 0) continue;
      total += trainer_.evaluate(batch_of(batch_));
      if (go_on && !go_on(total.tokens)) break;
    }
    return total;
  }

  /// Writes the checkpoint of this step and keeps the newest two.
  void save(const std::filesystem::path& folder) {
    dsr1::checkpoint::save(context_, folder, trainer_,
                           {{"loader", loader_.state().to_json()},
                            {"tokens", tokens_},
                            {"load", {{"layers", load().layers}, {"counts", load().counts}}}});
  }

  /// Throws `error` when the checkpoint is damaged, of another model, or of other data.
  void restore(const std::filesystem::path& checkpoint) {
    const dsr1::json_object state(dsr1::checkpoint::load(context_, checkpoint, trainer_),
                                  (checkpoint / "state.json").string() + ": \"user\"");
    loader_.restore(dsr1::loader_state::from_json(state.object("loader")));
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

  static model initialized(context_type& ctx, model m) {
    dsr1::initialize(ctx, m);
    return m;
  }

  static dsr1::training_batch batch_of(const dsr1::packed_batch& b) {
    return {{b.inputs(), b.sequences()}, b.targets()};
  }

  run_config config_;
  context_type context_;
  model model_;
  trainer_type trainer_;
  dsr1::training_loader loader_;
  dsr1::packed_batch batch_;
  dsr1::schedule schedule_;
  index_t tokens_ = 0;
};

/// Bits per byte of text of a loss over some or all of a data set's targets: the share of the
/// targets stands for the share of the bytes.
inline double bits_per_byte(const dsr1::token_loss& loss, const dsr1::dataset& data) {
  const double share = static_cast<double>(loss.tokens) / static_cast<double>(data.targets());
  return loss.sum / std::log(2.0) / (share * static_cast<double>(data.bytes()));
}

}  // namespace seed
