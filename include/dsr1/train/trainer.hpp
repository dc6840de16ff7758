// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// One training step: forward, backward, clip, update, balance.
#pragma once

#include <span>

#include <dsr1/model/causal_lm.hpp>
#include <dsr1/moe/metrics.hpp>
#include <dsr1/nn/initialize.hpp>
#include <dsr1/optim/adamw.hpp>
#include <dsr1/optim/balance.hpp>
#include <dsr1/optim/clip.hpp>

namespace dsr1 {

/// Tokens and what should follow them; targets of -1 do not count.
struct training_batch {
  token_batch tokens;
  view<const std::int32_t, 1> targets;
};

struct trainer_options {
  double clip = 1;  ///< largest global norm of the gradient
  balance_options balance = {};
};

/// What happened in one step.
struct step_report {
  index_t step = 0;          ///< its number, from 1
  index_t tokens = 0;        ///< targets that counted
  double loss = 0;           ///< mean over them, in nats, before the step
  double auxiliary = 0;      ///< sum of the balance losses, mean over the micro-batches
  double gradient_norm = 0;  ///< before clipping
  double rate = 0;
  double max_violation = 0;  ///< the worst MaxVio of the step's layers
};

/// Trains a model with any optimizer policy. A step takes one or more micro-batches, whose
/// gradients accumulate: n micro-batches give the gradient of one batch of all their tokens.
/// An `error` (loss or gradient not finite, naming parameter and step) leaves the weights as they
/// were before the step. Model and context must outlive the trainer.
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
        optimizer_(ctx, parameters_, policy) {
    expects(options.clip > 0, "trainer: clip is ", options.clip, ", expected above 0");
    expects(ctx.comm().size() == 1, "trainer: ", ctx.comm().size(), " ranks, expected one");
  }

  Model& model() { return model_; }
  dsr1::optimizer<Policy, T>& optimizer() { return optimizer_; }
  const parameter_list<T>& parameters() const { return parameters_; }
  index_t steps() const { return optimizer_.steps(); }

  /// One step over the micro-batches with this learning rate.
  step_report step(std::span<const training_batch> batches, double rate) {
    step_report report{.step = steps() + 1, .rate = rate};
    clear_gradients(model_);
    for (const training_batch& b : batches)
      for (index_t t = 0; t < b.targets.rows(); ++t) report.tokens += b.targets[t] >= 0;
    expects(report.tokens > 0, "step ", report.step, ": no token counts in ", batches.size(),
            " batches");
    const double scale = 1 / static_cast<double>(report.tokens);
    const double share = 1 / static_cast<double>(batches.size());
    for (const training_batch& b : batches) {
      ctx_.workspace().reset();
      ctx_.auxiliary() = {.sum = 0, .scale = share};
      try {
        report.loss += model_.train(ctx_, b.tokens, b.targets, scale, saved_).sum * scale;
      } catch (const error& e) {
        throw error(text("step ", report.step, ": ", e.what()), e.at());
      }
      report.auxiliary += ctx_.auxiliary().sum * share;
    }
    report.gradient_norm = global_norm(ctx_, parameters_, report.step);
    step_load_.clear();
    collect_load(ctx_, model_, step_load_);
    report.max_violation = step_load_.layers.empty() ? 0 : step_load_.max_violation();
    collect_load(ctx_, model_, load_);
    optimizer_.step(ctx_, rate, clip_factor(report.gradient_norm, options_.clip));
    update_balance(ctx_, parameters_, options_.balance);
    return report;
  }

  /// The loss of a batch, without gradients.
  token_loss evaluate(const training_batch& b) {
    ctx_.workspace().reset();
    return model_.evaluate(ctx_, b.tokens, b.targets, evaluated_);
  }

  /// The choices of every expert in every layer since the last `load().clear()`.
  load_matrix& load() { return load_; }

 private:
  Ctx& ctx_;
  Model& model_;
  trainer_options options_;
  parameter_list<T> parameters_;
  dsr1::optimizer<Policy, T> optimizer_;
  typename Model::saved saved_, evaluated_;
  load_matrix load_, step_load_;
};

}  // namespace dsr1
