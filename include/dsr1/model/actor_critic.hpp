// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A language model as a policy: its objective, entropy, distance from a reference, and values.
#pragma once

#include <optional>
#include <type_traits>
#include <vector>

#include <dsr1/loss/policy_head.hpp>
#include <dsr1/loss/policy_tokens.hpp>
#include <dsr1/loss/value_loss.hpp>
#include <dsr1/model/causal_lm.hpp>

namespace dsr1 {

/// Sampled answers after their prompts, each a sequence. Row t of `tokens` predicts targets[t],
/// which is an action, or -1. The spans have one entry per action, in the order of the rows; they
/// and the views must outlive the batch.
template <class T>
struct policy_batch {
  token_batch tokens;
  view<const std::int32_t, 1> targets;
  std::span<const answer_range> answers;  ///< of the actions
  std::span<const double> before;         ///< log-probabilities when they were sampled
  std::span<const double> reference;      ///< those of the reference model; empty without one
  std::span<const double> advantage;
  std::span<const double> weight;         ///< of an action in the loss; 1 each is the mean
  std::span<const double> values_before;  ///< of the critic when they were sampled; empty without
  std::span<const double> returns;
  /// Of the reference model, a row per row of `tokens`; empty unless the loss needs its whole
  /// distribution.
  view<const T, 2> reference_states;
};

struct actor_options {
  double temperature = 1;   ///< at which answers are sampled
  double entropy = 0;       ///< coefficient of the mean entropy, which is to be large
  double divergence = 0;    ///< of the mean exact KL(policy || reference), which is to be small
  double value = 0.5;       ///< of the value loss
  double value_clip = 0.2;  ///< 0: none
};

/// What a batch looks like to the policy as it is; one entry per action.
struct policy_scores {
  std::vector<double> log_probability, entropy, divergence;
  std::vector<double> reference;  ///< log-probabilities of the reference model; empty without
  std::vector<double> value;      ///< empty without a critic
  std::vector<double> bootstrap;  ///< value after the last token of each answer that has such a row
};

/// loss = objective - entropy H + divergence KL(policy || reference) + value V, with
/// exact entropy and KL over the vocabulary and V the clipped squared error of a linear value head
/// on the states after the final norm: those of the policy, or of a model of the critic's own,
/// which then learns from V alone as the policy does from the rest. The models must outlive it; the
/// parameters are the policy's by their own names, with a critic "value.weight" and "value.bias",
/// and those of its model under "critic".
template <class Model, policy_objective Objective>
class actor_critic {
 public:
  using number = typename Model::number;
  using T = number;

  struct saved {
    typename Model::saved model, critic;
    typename linear<linear_shape{}, T>::saved value;
  };

  actor_critic(Model& model, bool critic, Objective objective = {}, actor_options options = {},
               std::type_identity_t<Model>* reference = nullptr,
               std::type_identity_t<Model>* critic_model = nullptr)
      : model_(&model),
        reference_(reference),
        critic_(critic_model),
        objective_(std::move(objective)),
        options_(options),
        head_({.temperature = options.temperature}) {
    expects(options.entropy >= 0 && options.divergence >= 0 && options.value >= 0 &&
                options.value_clip >= 0,
            "actor_critic: coefficients ", options.entropy, " (entropy), ", options.divergence,
            " (divergence), ", options.value, " (value), a clip of values of ", options.value_clip,
            ", expected none below 0");
    expects(options.divergence == 0 || reference != nullptr, "actor_critic: a divergence of ",
            options.divergence, " from a reference model, but there is none");
    expects(critic || critic_model == nullptr, "actor_critic: a model for a critic, but no critic");
    expects(critic_model != &model && (critic_model == nullptr || critic_model != reference),
            "actor_critic: the critic's own model is also the policy or the reference");
    if (!critic) return;
    value_.emplace(linear_shape{
        .in = critic_model ? critic_model->dim() : model.dim(), .out = 1, .bias = true});
    // Zero: it begins with no opinion, and does not disturb the trunk.
    value_->for_each_parameter(
        [](const parameter_name&, auto& p) { p.traits().init = initial::zeros(); });
  }

  Model& model() { return *model_; }
  Model* reference() { return reference_; }
  /// The critic's own; null when it shares the policy's, or there is none.
  Model* critic_model() { return critic_; }
  bool has_critic() const { return value_.has_value(); }
  Objective& objective() { return objective_; }
  actor_options& options() { return options_; }
  /// Sums since they were last set to zero, of this rank.
  policy_statistics& statistics() { return statistics_; }
  double& value_loss() { return value_loss_; }

  /// What rollouts and training have in common, without gradients.
  template <class Ctx>
  policy_scores score(Ctx& ctx, const policy_batch<T>& batch, saved& s) {
    const inference_mode on(ctx);
    const view<const T, 2> h = model_->hidden(ctx, batch.tokens, s.model);
    const reference_states<T> other = reference_of(batch);
    const token_probabilities p =
        head_.forward(ctx, h, model_->head(), batch.targets, other.head ? &other : nullptr);
    policy_scores out;
    gather(batch, p, out);
    if (other.head)
      gather_actions(batch, head_.forward(ctx, other.h, *other.head, batch.targets).log_probability,
                     out.reference);
    if (value_) {
      const std::vector<double> all = values(ctx, states_for_values(ctx, batch, h, s), s);
      for (index_t t = 0; t < h.rows(); ++t)
        if (batch.targets[t] >= 0)
          out.value.push_back(all[static_cast<std::size_t>(t)]);
        else if (t > 0 && batch.targets[t - 1] >= 0 && continues(batch, t))
          out.bootstrap.push_back(all[static_cast<std::size_t>(t)]);
    }
    return out;
  }

  /// Adds the gradients; returns the weighted sum of the loss over the actions.
  template <class Ctx>
  token_loss train(Ctx& ctx, const policy_batch<T>& batch, double scale, saved& s) {
    const view<const T, 2> h = model_->hidden(ctx, batch.tokens, s.model);
    const auto dh = ctx.template take<T>(h.rows(), h.columns());
    const reference_states<T> other = reference_of(batch);
    const reference_states<T>* const with = other.head ? &other : nullptr;
    const token_probabilities p = head_.forward(ctx, h, model_->head(), batch.targets, with);
    policy_scores now;
    gather(batch, p, now);
    const std::size_t n = now.log_probability.size();
    expects(batch.weight.size() == n && batch.advantage.size() == n && batch.before.size() == n,
            "actor_critic: ", n, " actions with ", batch.weight.size(), " weights, ",
            batch.advantage.size(), " advantages, ", batch.before.size(), " log-probabilities");
    std::vector<double> slope(n);
    token_loss loss{.tokens = static_cast<index_t>(n)};
    loss.sum = objective_({.answers = batch.answers,
                           .log_probability = now.log_probability,
                           .before = batch.before,
                           .reference = batch.reference,
                           .advantage = batch.advantage,
                           .weight = batch.weight},
                          slope, statistics_);
    std::vector<double> d_log(p.log_probability.size()), d_entropy(d_log.size()),
        d_divergence(with ? d_log.size() : 0);
    std::size_t a = 0;
    for (index_t t = 0; t < h.rows(); ++t) {
      if (batch.targets[t] < 0) continue;
      const auto row = static_cast<std::size_t>(t);
      const double w = batch.weight[a];
      d_log[row] = scale * slope[a];
      d_entropy[row] = -scale * w * options_.entropy;
      loss.sum -= w * options_.entropy * now.entropy[a];
      statistics_.entropy += now.entropy[a];
      if (with) {
        d_divergence[row] = scale * w * options_.divergence;
        loss.sum += w * options_.divergence * now.divergence[a];
        statistics_.divergence += now.divergence[a];
      }
      ++a;
    }
    statistics_.tokens += static_cast<double>(n);
    head_.backward(ctx, h, model_->head(), batch.targets, with, d_log, d_entropy, d_divergence, dh);
    if (value_) loss.sum += learn_values(ctx, batch, h, dh, scale, s);
    model_->backward(ctx, view<const T, 2>(dh), s.model);
    return loss;
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    model_->for_each_parameter(visitor);
    if (critic_) visit_under("critic", *critic_, visitor);
    if (value_) visit_under("value", *value_, visitor);
  }

 private:
  reference_states<T> reference_of(const policy_batch<T>& batch) {
    if (reference_ == nullptr || batch.reference_states.rows() == 0) return {};
    return {batch.reference_states, &reference_->head()};
  }

  /// Whether row t belongs to the sequence of the row before it.
  static bool continues(const policy_batch<T>& batch, index_t t) {
    for (index_t i = 0; i < batch.tokens.sequences.count(); ++i)
      if (batch.tokens.sequences[i].begin == t) return false;
    return true;
  }

  static void gather_actions(const policy_batch<T>& batch, const std::vector<double>& rows,
                             std::vector<double>& out) {
    for (index_t t = 0; t < batch.targets.rows(); ++t)
      if (batch.targets[t] >= 0) out.push_back(rows[static_cast<std::size_t>(t)]);
  }

  static void gather(const policy_batch<T>& batch, const token_probabilities& p,
                     policy_scores& out) {
    gather_actions(batch, p.log_probability, out.log_probability);
    gather_actions(batch, p.entropy, out.entropy);
    gather_actions(batch, p.divergence, out.divergence);
  }

  template <class Ctx>
  view<const T, 2> states_for_values(Ctx& ctx, const policy_batch<T>& batch, view<const T, 2> h,
                                     saved& s) {
    return critic_ ? view<const T, 2>(critic_->hidden(ctx, batch.tokens, s.critic)) : h;
  }

  template <class Ctx>
  std::vector<double> values(Ctx& ctx, view<const T, 2> h, saved& s) {
    const view<T, 2> v = value_->forward(ctx, h, s.value);
    std::vector<T> host(static_cast<std::size_t>(h.rows()));
    Ctx::backend::download(ctx, view<const T, 1>(v.data, h.rows()), host.data());
    return {host.begin(), host.end()};
  }

  /// Adds to dh, or to the gradients of the critic's model; returns the weighted sum of the value
  /// loss.
  template <class Ctx>
  double learn_values(Ctx& ctx, const policy_batch<T>& batch, view<const T, 2> h, view<T, 2> dh,
                      double scale, saved& s) {
    const std::vector<double> all = values(ctx, states_for_values(ctx, batch, h, s), s);
    std::vector<double> now, slope(batch.returns.size());
    for (index_t t = 0; t < h.rows(); ++t)
      if (batch.targets[t] >= 0) now.push_back(all[static_cast<std::size_t>(t)]);
    value_statistics counted;
    const double loss = clipped_value_loss{options_.value_clip}({.value = now,
                                                                 .before = batch.values_before,
                                                                 .returns = batch.returns,
                                                                 .weight = batch.weight},
                                                                slope, counted);
    std::vector<T> d(all.size());
    std::size_t a = 0;
    for (index_t t = 0; t < h.rows(); ++t)
      if (batch.targets[t] >= 0)
        d[static_cast<std::size_t>(t)] = static_cast<T>(scale * options_.value * slope[a++]);
    const auto dv = ctx.template take<T>(h.rows(), index_t{1});
    Ctx::backend::upload(ctx, d.data(), view<T, 1>(dv.data, h.rows()));
    const view<const T, 2> more = value_->backward(ctx, view<const T, 2>(dv), s.value);
    if (critic_)
      critic_->backward(ctx, more, s.critic);
    else
      Ctx::backend::add(ctx, more, dh);
    value_loss_ += loss;
    return options_.value * loss;
  }

  Model* model_;
  Model* reference_;
  Model* critic_;
  Objective objective_;
  actor_options options_;
  policy_head<T> head_;
  std::optional<linear<linear_shape{}, T>> value_;
  policy_statistics statistics_;
  double value_loss_ = 0;
};

}  // namespace dsr1
