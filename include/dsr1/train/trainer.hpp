// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// One training step: forward, backward, sum over the ranks, clip, update, balance.
#pragma once

#include <optional>
#include <span>
#include <type_traits>

#include <dsr1/model/causal_lm.hpp>
#include <dsr1/moe/metrics.hpp>
#include <dsr1/nn/initialize.hpp>
#include <dsr1/optim/adamw.hpp>
#include <dsr1/optim/balance.hpp>
#include <dsr1/optim/clip.hpp>
#include <dsr1/sync/gradient_sync.hpp>

namespace dsr1 {

/// Tokens and what should follow them; targets of -1 do not count.
struct training_batch {
  token_batch tokens;
  view<const std::int32_t, 1> targets;
};

struct trainer_options {
  double clip = 1;  ///< largest global norm of the gradient
  balance_options balance = {};
  sync_options sync = {};  ///< on several ranks
};

/// What happened in one step; but for the seconds, the same on every rank.
struct step_report {
  index_t step = 0;          ///< its number, from 1
  index_t tokens = 0;        ///< targets that counted
  double loss = 0;           ///< mean over them, in nats, before the step
  double auxiliary = 0;      ///< sum of the balance losses, mean over the micro-batches
  double gradient_norm = 0;  ///< before clipping
  double rate = 0;
  double max_violation = 0;  ///< the worst MaxVio of the step's layers
  double sent_for = 0;       ///< seconds of exchanging gradients and weights with other ranks
  double waited_for = 0;     ///< seconds of those in which the step had nothing else to do
};

/// Trains a model with any optimizer policy. A step takes one or more micro-batches, whose
/// gradients accumulate: n micro-batches give the gradient of one batch of all their tokens.
/// On several ranks every rank gives its part of the batch, in the same number of micro-batches
/// (each may be empty); gradients are summed over the ranks, and loss, norm, clipping and the
/// balance of the experts are those of the whole batch. The same number of ranks gives the same
/// bits every time.
/// An `error` (loss or gradient not finite, naming parameter and step) leaves the weights as they
/// were before the step; on several ranks the run is over then. Model and context must outlive the
/// trainer.
template <class Ctx, class Model, class Policy = adamw>
class trainer {
 public:
  using T = typename Model::number;
  using policy_type = Policy;

  trainer(Ctx& ctx, Model& model, Policy policy = {}, trainer_options options = {})
      : ctx_(ctx),
        model_(model),
        options_(options),
        parameters_(model),
        sync_(make_sync(policy)),  // NOLINT: the analyzer takes a unique_ptr for a leak
        optimizer_(make_optimizer(policy)) {
    expects(options.clip > 0, "trainer: clip is ", options.clip, ", expected above 0");
  }
  trainer(const trainer&) = delete;
  trainer& operator=(const trainer&) = delete;

  Model& model() { return model_; }
  dsr1::optimizer<Policy, T>& optimizer() { return optimizer_; }
  const parameter_list<T>& parameters() const { return parameters_; }
  index_t steps() const { return optimizer_.steps(); }

  /// One step over the micro-batches with this learning rate: an array of `training_batch`, or of
  /// what else the model has a `train(ctx, batch, scale, saved)` for; its `targets` are counted.
  template <class Batches = std::span<const training_batch>>
  step_report step(const Batches& list, double rate) {
    const std::span batches(std::data(list), std::size(list));
    step_report report{.step = steps() + 1, .rate = rate};
    clear_gradients(model_);
    report.tokens = count_tokens(batches);
    expects(report.tokens > 0, "step ", report.step, ": no token counts in ", batches.size(),
            " batches");
    const double scale = 1 / static_cast<double>(report.tokens);
    const double share = 1 / static_cast<double>(batches.size()) / ctx_.comm().size();
    const double sent = sync_ ? sync_->seconds() : 0, waited = sync_ ? sync_->exposed() : 0;
    for (std::size_t i = 0; i < batches.size(); ++i) {
      ctx_.workspace().reset();
      ctx_.auxiliary() = {.sum = 0, .scale = share};
      if (sync_ && i + 1 == batches.size()) sync_->begin(report.step);
      try {
        report.loss += train_on(batches[i], scale).sum * scale;
      } catch (const error& e) {
        ctx_.listener(nullptr);
        throw error(text("step ", report.step, ": ", e.what()), e.at());
      }
      report.auxiliary += ctx_.auxiliary().sum * share;
    }
    if (sync_) {
      sync_->finish();
      double sums[] = {report.loss, report.auxiliary};
      ctx_.comm().all_reduce(view<double, 1>(sums, 2));
      report.loss = sums[0];
      report.auxiliary = sums[1];
    }
    report.gradient_norm =
        sync_ ? global_norm(ctx_, parameters_, std::span(sync_->parts().owned()), report.step)
              : global_norm(ctx_, parameters_, report.step);
    step_load_.clear();
    collect_load(ctx_, model_, step_load_);
    report.max_violation = step_load_.layers.empty() ? 0 : step_load_.max_violation();
    collect_load(ctx_, model_, load_);
    optimizer_.step(ctx_, rate, clip_factor(report.gradient_norm, options_.clip));
    if (sync_ && options_.sync.shard_optimizer) sync_->spread_weights();
    update_balance(ctx_, parameters_, options_.balance);
    if (sync_) {
      report.sent_for = sync_->seconds() - sent;
      report.waited_for = sync_->exposed() - waited;
    }
    return report;
  }

  /// The loss of this rank's batch, without gradients. Collective when the model's layers are.
  token_loss evaluate(const training_batch& b) {
    ctx_.workspace().reset();
    return model_.evaluate(ctx_, b.tokens, b.targets, evaluated_);
  }

  /// The choices of every expert in every layer since the last `load().clear()`.
  load_matrix& load() { return load_; }

  /// Runs `move`, which brings experts and their states to other ranks (`move_experts`), and makes
  /// anew what depends on where they lie. Collective, between steps; changes no bit of the
  /// training. Throws `error` with a sharded optimizer or error feedback: what they keep cannot
  /// move.
  template <class F>
  void relocate(F&& move) {
    expects(!options_.sync.shard_optimizer && !options_.sync.error_feedback,
            "trainer: experts cannot move under a sharded optimizer or error feedback");
    move();
    if (!sync_) return;
    past_ += sync_->counted();
    sync_ = nullptr;  // the old one listens no more
    sync_ = make_sync(optimizer_.policy());
  }

  /// The numbers that this rank is responsible for.
  std::vector<piece> owned() const {
    if (sync_) return sync_->parts().owned();
    std::vector<piece> all;
    for (std::size_t i = 0; i < parameters_.size(); ++i)
      all.push_back({.parameter = i, .size = parameters_[i].p->size()});
    return all;
  }
  /// What the ranks share out among themselves, and how; null when there is one.
  auto* sync() { return sync_ ? &*sync_ : nullptr; }
  /// Bytes of this rank since the beginning, those of the layers included. Between steps.
  traffic counted() {
    traffic sum = ctx_.comm().counted();
    sum += past_;
    if (sync_) sum += sync_->counted();
    return sum;
  }

 private:
  static constexpr bool alone = std::is_same_v<typename Ctx::comm_type, loopback>;
  /// Stands where there is nothing to sum, so that a program of one rank compiles none of it.
  struct no_sync : gradient_listener {
    void ready(const void*) override {}
    void begin(index_t) {}
    void finish() {}
    void spread_weights() {}
    double seconds() const { return 0; }
    double exposed() const { return 0; }
    traffic counted() const { return {}; }
    sync_options options() const { return {}; }
    template <class Visitor>
    void for_each_residual(Visitor&&) {}
    const no_sync& parts() const { return *this; }
    const std::vector<piece>& owned() const { return none; }
    std::vector<piece> none;
  };
  using sync_type = std::conditional_t<alone, no_sync, gradient_sync<Ctx, T>>;

  std::unique_ptr<sync_type> make_sync(const Policy& policy) {
    if constexpr (alone)
      return nullptr;
    else
      return ctx_.comm().size() == 1
                 ? nullptr
                 : std::make_unique<sync_type>(ctx_, parameters_, options_.sync,
                                               [&](const std::string& name, const parameter<T>& p) {
                                                 return dsr1::optimizer<Policy, T>::unit(policy,
                                                                                         name, p);
                                               });
  }
  dsr1::optimizer<Policy, T> make_optimizer(const Policy& policy) {
    return sync_ && options_.sync.shard_optimizer
               ? dsr1::optimizer<Policy, T>(ctx_, parameters_, policy, sync_->parts().owned())
               : dsr1::optimizer<Policy, T>(ctx_, parameters_, policy);
  }

  template <class Batch>
  token_loss train_on(const Batch& b, double scale) {
    if constexpr (std::is_same_v<Batch, training_batch>)
      return model_.train(ctx_, b.tokens, b.targets, scale, saved_);
    else
      return model_.train(ctx_, b, scale, saved_);
  }

  /// The targets that count, of all ranks; they must agree on the number of micro-batches.
  template <class Batch>
  index_t count_tokens(std::span<const Batch> batches) {
    index_t mine[] = {0, static_cast<index_t>(batches.size())};
    for (const Batch& b : batches)
      for (index_t t = 0; t < b.targets.rows(); ++t) mine[0] += b.targets[t] >= 0;
    ctx_.comm().all_reduce(view<index_t, 1>(mine, 2));
    expects(mine[1] == static_cast<index_t>(batches.size()) * ctx_.comm().size(), "step ",
            steps() + 1, ": this rank has ", batches.size(), " micro-batches, all ",
            ctx_.comm().size(), " together have ", mine[1]);
    return mine[0];
  }

  Ctx& ctx_;
  Model& model_;
  trainer_options options_;
  parameter_list<T> parameters_;
  std::unique_ptr<sync_type> sync_;
  dsr1::optimizer<Policy, T> optimizer_;
  typename Model::saved saved_, evaluated_;
  load_matrix load_, step_load_;
  traffic past_;  // of former `sync_`
};

}  // namespace dsr1
