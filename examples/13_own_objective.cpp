// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Reinforcement learning with PPO as it ships, and with an objective and an algorithm of one's own.

#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "tiny.hpp"

namespace {

/// "dab:" asks for "d", the largest letter.
struct largest_letter {
  static constexpr std::string_view name = "largest_letter";
  static constexpr std::string_view letters = "abcdefgh";
  static std::string alphabet() { return std::string(letters) + ":"; }
  struct problem {
    std::string prompt, solution, key;
  };

  problem sample(dsr1::split which, std::uint64_t index) const {
    return dsr1::draw_problem(1, name, which, index, [](dsr1::problem_draw& draw) {
      std::string word;
      while (word.size() < 3) word += draw.one_of(letters);
      const std::string largest(1, *std::max_element(word.begin(), word.end()));
      return std::optional(problem{.prompt = word + ":", .solution = largest, .key = word});
    });
  }

  dsr1::verdict verify(const problem& p, std::string_view answer) const {
    using dsr1::level;
    const auto end = static_cast<dsr1::index_t>(answer.size());
    dsr1::verdict v;
    v.set(level::syntax, answer.size() == 1 && answer != ":", end, "not one letter");
    v.set(level::logic, v.reached[0] && p.key.find(answer) != std::string::npos, end,
          "a letter that is not in ", p.prompt);
    v.set(level::task, answer == p.solution, end, "the largest is ", p.solution);
    return v;
  }
};

// [objective]
/// A clip without an edge: with r = pi / pi_before and the advantage A,
///     loss = -A (4 / s) sigmoid(s (r - 1)),    s sharper where A is below zero.
/// Its slope at r = 1 is that of -A r, and fades where the policy has moved far, either way.
struct soft_objective {
  double sharp = 1, sharper = 1.5;

  double operator()(const dsr1::policy_tokens& tokens, std::span<double> slope,
                    dsr1::policy_statistics& statistics) const {
    double loss = 0;
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      const double a = tokens.weight[t] * tokens.advantage[t], s = a < 0 ? sharper : sharp;
      const auto r = dsr1::probability_ratio::of(tokens.log_probability[t] - tokens.before[t]);
      const double gate = 1 / (1 + std::exp(-s * (r.value - 1)));
      loss -= a * 4 / s * gate;
      slope[t] = -a * 4 * gate * (1 - gate) * r.slope;  // by log pi
      dsr1::count_token(tokens, t, r.value, false, statistics);
    }
    return loss;
  }
};
static_assert(dsr1::policy_objective<soft_objective>);
// [/objective]

// [check]
/// How far the slope is from what a small change of each log pi does to the loss.
template <dsr1::policy_objective Objective>
double slope_error(const Objective& objective) {
  const dsr1::answer_range answers[] = {{0, 3}};
  const double before[] = {-1.0, -2.0, -0.5}, advantage[] = {1, -1, 2}, weight[] = {1, 0.5, 1};
  double now[] = {-1.1, -1.5, -0.2}, slope[3], unused[3], worst = 0;
  dsr1::policy_statistics statistics;
  const auto loss = [&](std::span<double> to) {
    return objective({answers, now, before, {}, advantage, weight}, to, statistics);
  };
  loss(slope);
  for (int t = 0; t < 3; ++t) {
    const double there = now[t], up = (now[t] = there + 1e-5, loss(unused)),
                 down = (now[t] = there - 1e-5, loss(unused));
    now[t] = there;
    worst = std::max(worst, std::abs((up - down) / 2e-5 - slope[t]));
  }
  return worst;
}
// [/check]

// [algorithm]
/// Every answer is compared with the mean of the others to its prompt; no critic.
struct leave_one_out {
  static constexpr bool critic = false;
  dsr1::index_t group = 4;
  soft_objective objective = {};
  dsr1::token_average average = dsr1::token_average::token_mean;
  dsr1::actor_options actor = {.entropy = 0.005};

  template <class Comm>
  void advantages(std::span<dsr1::experience> answers, Comm&) const {
    const auto each = static_cast<std::size_t>(group);
    for (std::size_t first = 0; first < answers.size(); first += each) {
      double sum = 0;
      for (const auto& e : answers.subspan(first, each)) sum += e.total_reward();
      for (auto& e : answers.subspan(first, each)) {
        const double others = (sum - e.total_reward()) / static_cast<double>(group - 1);
        e.advantage.assign(e.answer.size(), e.total_reward() - others);
      }
    }
  }
};
static_assert(dsr1::rl_algorithm<leave_one_out, dsr1::loopback>);
// [/algorithm]

// [run]
/// Learns from nothing but rewards; the share of new problems that are solved then.
template <class Algorithm>
double learn(const char* name, const Algorithm& algorithm, dsr1::index_t prompts) {
  dsr1::context<dsr1::cpu> ctx({.seed = 1});
  const largest_letter task;
  const dsr1::character_codec codec(task.alphabet());
  dsr1::causal_lm<tiny::body> model({.vocab = codec.vocab(), .dim = 64}, tiny::body());
  dsr1::actor_critic actor(model, Algorithm::critic, algorithm.objective, algorithm.actor);
  dsr1::initialize(ctx, actor);
  dsr1::trainer trainer(ctx, actor);
  dsr1::reinforce learner(ctx, trainer, task, codec, algorithm, {.prompts = prompts, .seed = 1},
                          {.max_prompt = 5, .max_answer = 4});
  for (dsr1::index_t i = 0; i <= 60; ++i) {
    const dsr1::update_report r = learner.update(1e-3);
    if (i % 15 == 0)
      std::printf("%s %3td: reward %.2f, syntax %.2f, logic %.2f, task %.2f, entropy %.2f\n", name,
                  r.update, r.reward, r.reached[0], r.reached[1], r.reached[2], r.entropy);
  }
  return learner.evaluate(dsr1::split::test, 200).solved;
}
// [/run]

}  // namespace

int main() {
  const double error = slope_error(soft_objective{});
  const double ppo = learn("ppo", dsr1::ppo{}, 128);
  const double own = learn("own", leave_one_out{}, 32);
  std::printf("solved of new problems: ppo %.2f, own %.2f; slope wrong by %.0e\n", ppo, own, error);
  const bool ok = ppo > 0.6 && own > 0.6 && error < 1e-8;
  std::puts(ok ? "ok" : "WRONG");
  return ok ? 0 : 1;
}
