// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Reinforcement learning: sample, judge, compare, learn.
#pragma once

#include <chrono>
#include <vector>

#include <dsr1/io/json.hpp>
#include <dsr1/rl/algorithm.hpp>
#include <dsr1/rl/collector.hpp>
#include <dsr1/rl/kl_controller.hpp>
#include <dsr1/rl/reward.hpp>
#include <dsr1/rl/update_report.hpp>

namespace dsr1 {

struct reinforce_options {
  index_t prompts = 64;       ///< of an update, of all ranks together
  index_t epochs = 2;         ///< times that an update learns from its answers
  index_t minibatches = 2;    ///< steps of an epoch
  index_t micro_rows = 2048;  ///< rows of one pass of the model, unless one answer has more
  reward_options reward = {};
  kl_controller penalty = {};  ///< of the KL to the reference model, taken from the reward
  double largest_kl = 0;       ///< per token; an update that finds more is an error; 0: any
  std::uint64_t seed = 0;
  judge_options judging = {};
};

/// Runs an algorithm on a task. `Trainer` trains an `actor_critic`; on several ranks each samples
/// and judges the answers to its prompts and learns from them, so that an update computes the same,
/// but for rounding, on any number of ranks. What an update does follows from the weights and
/// optimizer states, `state` and the options: a run that is saved between updates goes on as if
/// nothing had happened. All arguments must outlive it and be the same on all ranks.
template <class Ctx, class Trainer, task Task, text_codec Codec, class Algorithm>
class reinforce {
 public:
  using T = typename Trainer::T;
  using actor_type = std::remove_cvref_t<decltype(std::declval<Trainer&>().model())>;
  static_assert(rl_algorithm<Algorithm, typename Ctx::comm_type>,
                "this type is not an algorithm of reinforcement learning");

  /// Throws `error` on numbers out of range, and when actor and algorithm do not fit together.
  reinforce(Ctx& ctx, Trainer& trainer, const Task& task, const Codec& codec, Algorithm algorithm,
            const reinforce_options& options = {}, const rollout_options& sampling = {})
      : ctx_(ctx),
        trainer_(trainer),
        algorithm_(std::move(algorithm)),
        options_(options),
        penalty_(options.penalty),
        collector_(ctx, trainer.model(), task, codec, sampling, options.judging) {
    const index_t group = algorithm_.group;
    expects(options.prompts > 0 && group > 0 && options.epochs > 0 && options.minibatches > 0 &&
                options.micro_rows > 0,
            "reinforce: ", options.prompts, " prompts, ", group, " answers each, ", options.epochs,
            " epochs, ", options.minibatches, " minibatches, ", options.micro_rows,
            " rows a pass, expected all above 0");
    expects(options.prompts * group >= options.minibatches, "reinforce: ", options.prompts * group,
            " answers for ", options.minibatches, " minibatches, expected one each or more");
    expects(actor().has_critic() == Algorithm::critic, "reinforce: the algorithm ",
            Algorithm::critic ? "needs" : "has no use for", " a critic, the actor ",
            actor().has_critic() ? "has one" : "has none");
    expects((options.penalty.coefficient == 0 && options.largest_kl == 0) || actor().reference(),
            "reinforce: a KL penalty or limit, but no reference model");
  }
  reinforce(const reinforce&) = delete;
  reinforce& operator=(const reinforce&) = delete;

  index_t updates() const { return updates_; }
  const Algorithm& algorithm() const { return algorithm_; }
  const reinforce_options& options() const { return options_; }
  /// The answers of the last update that this rank sampled.
  std::span<const experience> answers() { return collector_.all(); }

  /// Samples answers and learns from them with this rate. Throws `error`, before it learns, when
  /// the policy has left the reference by more than `largest_kl`; and as trainer, rollout and judge
  /// do.
  update_report update(double rate) {
    update_report report{.update = updates_ + 1};
    auto start = clock::now();
    collector_.sample(updates_ * options_.prompts, options_.prompts, algorithm_.group,
                      random_stream(options_.seed, stream_of("rollout")));
    report.sampling_s = lap(start);
    collector_.judge_answers();
    reward(report);
    report.judging_s = lap(start);
    auto scored = collector_.score(options_.micro_rows);
    ctx_.comm().all_reduce(view<double, 1>(&scored.divergence, 1));
    ctx_.comm().all_reduce(view<double, 1>(&scored.entropy, 1));
    report.kl = scored.divergence / static_cast<double>(report.tokens);
    report.entropy = scored.entropy / static_cast<double>(report.tokens);
    expects(options_.largest_kl == 0 || report.kl <= options_.largest_kl, "update ", report.update,
            ": the KL to the reference model is ", report.kl, " per token, expected at most ",
            options_.largest_kl, "; a smaller rate or a larger penalty keeps the policy nearer");
    algorithm_.advantages(std::span(collector_.all()), ctx_.comm());
    explain(report);
    report.scoring_s = lap(start);
    learn(report, rate);
    report.learning_s = lap(start);
    penalty_.update(report.kl, report.answers);
    ++updates_;
    return report;
  }

  /// The most likely answers to the first problems of a split.
  evaluation_report evaluate(split which, index_t problems) {
    return collector_.evaluate(which, problems);
  }

  /// What a checkpoint needs besides weights and optimizer states.
  json state() const {
    return {{"updates", updates_}, {"penalty", penalty_.coefficient}, {"usual", usual_}};
  }
  /// Throws `error` naming a key that is missing or of another type.
  void restore(const json_object& state) {
    updates_ = state.get<index_t>("updates");
    penalty_.coefficient = state.get<double>("penalty");
    usual_ = state.get<std::array<double, 3>>("usual");
  }

 private:
  using clock = std::chrono::steady_clock;

  actor_type& actor() { return trainer_.model(); }
  static double lap(clock::time_point& start) {
    const auto now = clock::now();
    return std::chrono::duration<double>(now - std::exchange(start, now)).count();
  }
  template <std::size_t N>
  void sum(std::array<double, N>& values) {
    ctx_.comm().all_reduce(view<double, 1>(values.data(), static_cast<index_t>(N)));
  }

  /// Rewards, and the shares of the report.
  void reward(update_report& report) {
    std::array<double, 9> sums{};
    std::vector<experience>& all = collector_.all();
    for (experience& e : all) {
      e.penalty = penalty_.coefficient;
      e.reward =
          layered_reward(options_.reward, e.judged, collector_.ends_of(e), e.ended, updates_);
      for (std::size_t l = 0; l < 3; ++l) sums[l] += e.judged.reached[l];
      sums[3] += e.total_reward();
      sums[4] += static_cast<double>(e.size());
      sums[5] += !e.ended;
      sums[6] += 1;
    }
    const auto group = static_cast<std::size_t>(algorithm_.group);
    for (std::size_t i = 0; i < all.size(); i += group) {
      bool same = group > 1;
      for (std::size_t k = i; k < i + group; ++k)
        same = same && all[k].total_reward() == all[i].total_reward();
      sums[7] += same;
      sums[8] += 1;
    }
    sum(sums);
    report.answers = static_cast<index_t>(sums[6]);
    report.tokens = static_cast<index_t>(sums[4]);
    for (std::size_t l = 0; l < 3; ++l) report.reached[l] = sums[l] / sums[6];
    report.reward = sums[3] / sums[6];
    report.length = sums[4] / sums[6];
    report.cut = sums[5] / sums[6];
    report.dead_groups = sums[7] / sums[8];
    report.penalty = penalty_.coefficient;
    for (std::size_t low = 0; low < 3 && updates_ > 0; ++low)
      for (std::size_t high = low + 1; high < 3; ++high)
        report.hacking = std::max(report.hacking, std::min(report.reached[low] - usual_[low],
                                                           usual_[high] - report.reached[high]));
    for (std::size_t l = 0; l < 3; ++l)
      usual_[l] = updates_ == 0 ? report.reached[l] : 0.9 * usual_[l] + 0.1 * report.reached[l];
  }

  /// 1 - Var(returns - values) / Var(returns), over all tokens of all ranks.
  void explain(update_report& report) {
    if (!Algorithm::critic) return;
    std::array<double, 5> sums{};
    for (const experience& e : collector_.all())
      for (std::size_t t = 0; t < e.returns.size(); ++t) {
        const double left = e.returns[t] - e.value[t];
        sums[0] += 1;
        sums[1] += e.returns[t];
        sums[2] += e.returns[t] * e.returns[t];
        sums[3] += left;
        sums[4] += left * left;
      }
    sum(sums);
    const double of_returns = sums[2] / sums[0] - sums[1] * sums[1] / (sums[0] * sums[0]);
    const double of_rest = sums[4] / sums[0] - sums[3] * sums[3] / (sums[0] * sums[0]);
    report.explained_variance = of_returns > 1e-12 ? 1 - of_rest / of_returns : 0;
  }

  bool nothing_to_learn() {
    std::array<double, 1> any{};
    for (const experience& e : collector_.all())
      for (const double a : e.advantage) any[0] += a != 0;
    sum(any);
    return any[0] == 0 && !Algorithm::critic;
  }

  void learn(update_report& report, double rate) {
    report.skipped = nothing_to_learn();
    if (report.skipped) return;
    policy_statistics& counted = actor().statistics();
    counted = {};
    actor().value_loss() = 0;
    policy_statistics before;  // the last epoch
    for (index_t epoch = 0; epoch < options_.epochs; ++epoch) {
      before = counted;
      const auto order =
          shuffled_answers(report.answers, options_.seed, updates_ * options_.epochs + epoch);
      for (index_t m = 0; m < options_.minibatches; ++m) {
        const auto step =
            learn_from(minibatch_of(order, m, options_.minibatches, collector_.numbers()), rate);
        report.loss += step.loss;
        report.gradient_norm += step.gradient_norm;
        report.max_violation = std::max(report.max_violation, step.max_violation);
      }
    }
    std::array<double, 7> sums = {counted.tokens,
                                  counted.ratio,
                                  counted.ratio_squared,
                                  counted.clipped,
                                  actor().value_loss(),
                                  counted.change - before.change,
                                  counted.tokens - before.tokens};
    sum(sums);
    report.ratio = sums[1] / sums[0];
    report.ratio_variance = std::max(0.0, sums[2] / sums[0] - report.ratio * report.ratio);
    report.clipped = sums[3] / sums[0];
    report.value_loss = sums[4] / sums[0];
    report.change = sums[5] / sums[6];
    const auto steps = static_cast<double>(options_.epochs * options_.minibatches);
    report.loss /= steps;
    report.gradient_norm /= steps;
  }

  /// One step of the trainer over this rank's answers of a minibatch.
  auto learn_from(const std::vector<std::size_t>& mine, double rate) {
    std::vector<experience>& all = collector_.all();
    std::array<double, 2> counts{};  // tokens and answers, of all ranks
    for (const std::size_t i : mine) {
      counts[0] += static_cast<double>(all[i].size());
      counts[1] += 1;
    }
    sum(counts);
    for (const std::size_t i : mine) {
      const answer_range answer[] = {{0, all[i].size()}};
      all[i].weight.resize(all[i].answer.size());
      token_weights(answer, {counts[0], counts[1]},
                    {algorithm_.average, static_cast<double>(collector_.options().max_answer)},
                    all[i].weight);
    }
    const auto passes = cut_into_passes(all, mine, options_.micro_rows);
    // The ranks need the same number of passes; some of them may be empty.
    index_t most[] = {std::max<index_t>(1, static_cast<index_t>(passes.size()))};
    ctx_.comm().all_reduce(view<index_t, 1>(most, 1), reduction::max);
    std::vector<packed_answers<T>> packed(static_cast<std::size_t>(most[0]));
    std::vector<buffer<T>> states(packed.size());  // of the reference model
    std::vector<policy_batch<T>> batches;
    for (std::size_t i = 0; i < packed.size(); ++i) {
      if (i < passes.size())
        for (const std::size_t e : passes[i]) packed[i].append(all[e]);
      batches.push_back(packed[i].batch());
      if (actor().options().divergence > 0)
        batches[i].reference_states = collector_.reference_states_of(batches[i], states[i]);
    }
    return trainer_.step(batches, rate);
  }

  Ctx& ctx_;
  Trainer& trainer_;
  Algorithm algorithm_;
  reinforce_options options_;
  kl_controller penalty_;
  collector<Ctx, actor_type, Task, Codec> collector_;
  index_t updates_ = 0;
  std::array<double, 3> usual_{};  // levels, a running mean
};

}  // namespace dsr1
