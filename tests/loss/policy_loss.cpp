// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Objectives of policy optimization: golden losses and gradients, derivatives, extremes, errors.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "loss/golden_rl.hpp"

#include <dsr1/loss/advantages.hpp>
#include <dsr1/loss/policy_loss.hpp>

using namespace dsr1;
using golden::scaled;

namespace {

const std::pair<const char*, token_weight_options> averages[] = {
    {"token_mean", {}},
    {"sequence_mean", {.average = token_average::sequence_mean}},
    {"sum_over_fixed_length", {.average = token_average::fixed_length, .length = 16}}};

struct outcome {
  double loss;
  std::vector<double> slope;
  policy_statistics statistics;
};

template <policy_objective F>
outcome run(const F& f, const policy_tokens& tokens) {
  outcome out{0, std::vector<double>(tokens.size()), {}};
  out.loss = f(tokens, out.slope, out.statistics);
  return out;
}

/// Two answers of made-up numbers, whose ratios lie on all sides of the bounds.
struct sample {
  std::vector<answer_range> answers = {{0, 5}, {5, 0}, {5, 7}};
  std::vector<double> log_probability = battery::normals<double>(12, 1, 0.5),
                      before = battery::normals<double>(12, 2, 0.5),
                      reference = battery::normals<double>(12, 3, 0.5),
                      advantage = battery::normals<double>(12, 4),
                      weight = battery::normals<double>(12, 5);
  sample() {
    for (double& w : weight) w = std::abs(w);
  }
  policy_tokens tokens() const {
    return {answers, log_probability, before, reference, advantage, weight};
  }
};

/// slope = the derivative of the returned loss by each log-probability.
template <policy_objective F>
void check_slopes(const F& f, sample s) {
  const auto analytic = run(f, s.tokens()).slope;
  for (std::size_t t = 0; t < analytic.size(); ++t) {
    const double kept = s.log_probability[t], step = 1e-6;
    s.log_probability[t] = kept + step;
    const double above = run(f, s.tokens()).loss;
    s.log_probability[t] = kept - step;
    const double below = run(f, s.tokens()).loss;
    s.log_probability[t] = kept;
    CAPTURE(t);
    CHECK(analytic[t] == Approx((above - below) / (2 * step)).epsilon(1e-6).margin(1e-9));
  }
}

}  // namespace

TEST_CASE("policy_loss: the clipped losses of the reference", "[golden]") {
  const auto path = golden::path("rl/ppo.safetensors");
  if (path.empty()) return;
  const golden::answers_file file(path);
  golden::policy p(file.real("logits"), file.real("actions"));
  battery::check_close(p.log_probability, file.real("logprobs"), "log-probabilities");
  const auto before = file.real("old_logprobs"), advantage = file.real("advantages");
  const double tokens = static_cast<double>(file.tokens());
  const std::pair<const char*, clipped_objective> cases[] = {
      {"clip0.2", {}}, {"clip0.2_0.28", clipped_objective::dapo()}, {"clip0.2_dual3", {.dual = 3}}};
  for (const auto& one : cases) {
    const std::string name = one.first;
    for (const auto& average : averages) {
      const auto weight = file.weights(average.second);
      const outcome out =
          run(one.second, {file.answers(), p.log_probability, before, {}, advantage, weight});
      const std::string part = name + "/" + average.first;
      CHECK(out.loss / tokens == Approx(file.number(part + "/loss")).epsilon(1e-12));
      battery::check_close(p.gradient(scaled(out.slope, 1 / tokens)),
                           file.real(part + "/grad_logits"), part);
      CHECK(out.statistics.clipped / tokens ==
            Approx(file.number(name + "/clip_fraction")).epsilon(1e-12));
      CHECK(out.statistics.change / tokens == Approx(file.number("approx_kl_k3")).epsilon(1e-12));
      CHECK(out.statistics.ratio / tokens ==
            Approx(file.mean(file.real(name + "/ratio"))).epsilon(1e-12));
    }
    const auto per_token = file.real(name + "/per_token"), ratio = file.real(name + "/ratio");
    for (std::size_t t = 0; t < per_token.size(); ++t) {
      std::vector<double> only(per_token.size());
      only[t] = 1;
      CHECK(
          run(one.second, {file.answers(), p.log_probability, before, {}, advantage, only}).loss ==
          Approx(per_token[t]).epsilon(1e-12));
      CHECK(probability_ratio::of(p.log_probability[t] - before[t]).value ==
            Approx(ratio[t]).epsilon(1e-12));
    }
  }
  // KL(before || policy) from the tokens that `before` sampled.
  for (const auto& [name, which] : {std::pair{"approx_kl_k1", kl_estimator::k1},
                                    {"approx_kl_k2", kl_estimator::k2},
                                    {"approx_kl_k3", kl_estimator::k3}}) {
    double sum = 0;
    for (std::size_t t = 0; t < before.size(); ++t)
      sum += estimate_divergence(which, before[t], p.log_probability[t]).value;
    CHECK(sum / tokens == Approx(file.number(name)).epsilon(1e-12));
  }
}

TEST_CASE("policy_loss: the entropy of the reference, with logits of +-900", "[golden]") {
  const auto path = golden::path("rl/ppo.safetensors");
  if (path.empty()) return;
  const golden::answers_file file(path);
  golden::policy p(file.real("entropy/logits"), file.real("actions"));
  battery::check_close(p.entropy, file.real("entropy/per_token"), "entropy");
  CHECK(file.mean(p.entropy) == Approx(file.number("entropy/mean")).epsilon(1e-12));
  const std::vector<double> mean(p.entropy.size(), 1 / static_cast<double>(file.tokens()));
  battery::check_close(p.gradient({}, mean), file.real("entropy/grad_logits"), "gradient");
}

TEST_CASE("policy_loss: the group losses of the reference", "[golden]") {
  const auto path = golden::path("rl/grpo.safetensors");
  if (path.empty()) return;
  const golden::answers_file file(path);
  golden::policy p(file.real("logits"), file.real("actions"));
  battery::check_close(p.log_probability, file.real("logprobs"), "log-probabilities");
  const auto before = file.real("old_logprobs"), reference = file.real("ref_logprobs"),
             advantage = file.spread("advantages_used");
  const double tokens = static_cast<double>(file.tokens());
  const token_weight_options token_mean = {},
                             sequence_mean = {.average = token_average::sequence_mean},
                             fixed = {.average = token_average::fixed_length,
                                      .length = file.number("max_length")};
  const auto check = [&](const std::string& name, const auto& objective,
                         const token_weight_options& average) {
    const auto weight = file.weights(average);
    const outcome out =
        run(objective, {file.answers(), p.log_probability, before, reference, advantage, weight});
    CAPTURE(name);
    CHECK(out.loss / tokens == Approx(file.number(name + "/loss")).epsilon(1e-12));
    battery::check_close(p.gradient(scaled(out.slope, 1 / tokens)),
                         file.real(name + "/grad_logits"), name);
    return out.statistics;
  };
  check("grpo", clipped_objective(), sequence_mean);
  check("grpo_kl", clipped_objective{.penalty = {.coefficient = 0.04}}, sequence_mean);
  check("dr_grpo", clipped_objective(), fixed);
  check("dapo", clipped_objective::dapo(), token_mean);
  check("dapo_kl", clipped_objective{.high = 0.28, .penalty = {.coefficient = 0.001}}, token_mean);
  check("two_sided", clipped_objective{.cap = 1.5}, sequence_mean);
  check("cispo", cispo_objective{.cap = 5}, token_mean);
  check("gspo_wide",
        clipped_objective{.level = ratio_of::sequence, .penalty = {.coefficient = 0.01}},
        sequence_mean);
  const auto statistics = check("gspo", clipped_objective::gspo(), sequence_mean);
  double ratio = 0;
  const auto ratios = file.all("gspo/sequence_ratio");
  for (std::size_t a = 0; a < ratios.size(); ++a)
    ratio += ratios[a] * static_cast<double>(file.answers()[a].size);
  CHECK(statistics.ratio == Approx(ratio).epsilon(1e-12));
}

TEST_CASE("policy_loss: slopes by finite differences") {
  const sample s;
  for (const kl_estimator estimator : {kl_estimator::k1, kl_estimator::k2, kl_estimator::k3})
    for (const double beta : {0.0, 0.3}) {
      const reference_penalty penalty = {.coefficient = beta, .estimator = estimator};
      check_slopes(clipped_objective{.penalty = penalty}, s);
      check_slopes(clipped_objective{.high = 0.3, .dual = 1.4, .penalty = penalty}, s);
      check_slopes(clipped_objective{.cap = 1.3, .penalty = penalty}, s);
      check_slopes(clipped_objective{.level = ratio_of::sequence, .penalty = penalty}, s);
      check_slopes(clipped_objective{.low = 0.9, .high = 9, .level = ratio_of::sequence}, s);
    }
  // CISPO: its weights are constants, so it is the slope of the loss with the weights of now.
  const outcome out = run(cispo_objective{.cap = 1.2}, s.tokens());
  for (std::size_t t = 0; t < 12; ++t)
    CHECK(out.slope[t] == Approx(-s.weight[t] * s.advantage[t] *
                                 std::min(1.2, std::exp(s.log_probability[t] - s.before[t]))));
}

TEST_CASE("policy_loss: on policy every objective has the slope of the plain policy gradient") {
  sample s;
  s.before = s.log_probability;
  std::vector<double> expected;
  for (std::size_t t = 0; t < 12; ++t) expected.push_back(-s.weight[t] * s.advantage[t]);
  battery::check_close(run(clipped_objective(), s.tokens()).slope, expected, "token");
  battery::check_close(run(clipped_objective{.dual = 3, .cap = 2}, s.tokens()).slope, expected,
                       "dual, cap");
  const outcome cispo = run(cispo_objective(), s.tokens());
  battery::check_close(cispo.slope, expected, "cispo");
  CHECK(cispo.statistics.ratio == Approx(12));
  CHECK(cispo.statistics.ratio_squared == Approx(12));
  CHECK(cispo.statistics.change == 0);
  CHECK(cispo.statistics.clipped == 0);
  CHECK(cispo.statistics.tokens == 0);  // the caller's to count
}

TEST_CASE("policy_loss: any ratio is finite, and outside e^20 there is no slope") {
  sample s;
  for (const double far : {25.0, 1e3, 1e300})
    for (const double sign : {-1.0, 1.0}) {
      s.before[3] = s.log_probability[3] - sign * far;
      s.advantage[3] = -1;
      for (const auto level : {ratio_of::token, ratio_of::sequence}) {
        const outcome out = run(clipped_objective{.level = level}, s.tokens());
        CHECK(std::isfinite(out.loss));
        if (level == ratio_of::token) CHECK(out.slope[3] == 0);
        for (const double d : out.slope) CHECK(std::isfinite(d));
      }
      CHECK(std::isfinite(run(cispo_objective(), s.tokens()).loss));
    }
}

TEST_CASE("policy_loss: errors") {
  sample s;
  std::vector<double> slope(12);
  policy_statistics statistics;
  const auto message = [&](const auto& f) {
    return message_of([&] { f(s.tokens(), slope, statistics); });
  };
  CHECK(mentions(message(clipped_objective{.low = 1}), "low is 1"));
  CHECK(mentions(message(clipped_objective{.high = -1}), "high -1"));
  CHECK(mentions(message(clipped_objective{.dual = 1}), "dual is 1"));
  CHECK(mentions(message(clipped_objective{.cap = 1.1}), "cap is 1.1", "more than 1.2"));
  CHECK(mentions(message(cispo_objective{.cap = 0}), "cap is 0"));
  slope.resize(11);
  CHECK(mentions(message(clipped_objective()), "11 slopes for 12 tokens"));
  slope.resize(12);
  s.answers[2].begin = 6;
  CHECK(mentions(message(clipped_objective()), "begins at token 6, expected 5"));
  s.answers[2] = {5, 6};
  CHECK(mentions(message(cispo_objective()), "the answers hold 11 tokens, expected 12"));
  s = {};
  s.advantage[4] = std::numeric_limits<double>::quiet_NaN();
  CHECK(mentions(message(clipped_objective()), "advantage of token 4 is nan"));
  s.before.pop_back();
  CHECK(mentions(message(clipped_objective()), "11 numbers of log-probability before"));
  s = {};
  s.reference.clear();
  run(clipped_objective(), s.tokens());
  CHECK(mentions(message(clipped_objective{.penalty = {.coefficient = 0.1}}),
                 "0 numbers of log-probability of the reference for 12 tokens"));
}

TEST_CASE("policy_loss: the page's example") {
  const sample s;
  const auto& log_probability = s.log_probability;
  const auto& before = s.before;
  const auto& reference = s.reference;
  // [step]
  const std::vector<double> rewards = {1, 0};                  // of two answers to one prompt
  const std::vector<answer_range> answers = {{0, 5}, {5, 7}};  // their tokens
  const group_advantages group = advantages_of(rewards, 2);    // GRPO
  std::vector<double> advantage(12), weight(12), slope(12);
  for (std::size_t a = 0; a < answers.size(); ++a)
    std::fill_n(advantage.begin() + answers[a].begin, answers[a].size, group.advantage[a]);
  answer_counts all = counts_of(answers);  // += those of other micro-batches and ranks
  token_weights(answers, all, {.average = token_average::token_mean}, weight);

  const clipped_objective dapo{.low = 0.2, .high = 0.28, .penalty = {.coefficient = 0.001}};
  policy_statistics statistics;
  const double loss =
      dapo({answers, log_probability, before, reference, advantage, weight}, slope, statistics) /
      all.tokens;
  // slope[t] / all.tokens is d_log_probability[t] of policy_head::backward
  // [/step]
  CHECK(std::isfinite(loss));
  CHECK(statistics.ratio > 0);
}
