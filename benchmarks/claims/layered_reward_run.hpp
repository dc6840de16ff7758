// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// One run of the claim about layered rewards: a tiny model, its pre-training on corrupted
// solutions, and PPO under a reward.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <dsr1/attention/attention.hpp>
#include <dsr1/cpu.hpp>
#include <dsr1/model/actor_critic.hpp>
#include <dsr1/moe/moe.hpp>
#include <dsr1/nn/repeat.hpp>
#include <dsr1/nn/residual.hpp>
#include <dsr1/nn/sequential.hpp>
#include <dsr1/rl/arithmetic.hpp>
#include <dsr1/rl/ppo.hpp>
#include <dsr1/rl/reinforce.hpp>
#include <dsr1/train/trainer.hpp>

namespace layered_reward_run {

using namespace dsr1;

inline constexpr attention_shape look{.dim = 32, .heads = 2, .kv_heads = 2, .head_dim = 16};
inline constexpr moe_shape think{.dim = 32, .hidden = 32, .experts = 8, .top_k = 2};
template <class L>
using add = residual<pre_norm<L>>;
using block = sequential<add<attention<look>>, add<moe<think>>>;
using model_type = causal_lm<repeat<block, 2>, lm_shape{14, 32}>;  // 13 bytes and the end

inline constexpr std::int64_t largest = 9;
inline constexpr index_t all_prompts = (largest + 1) * (largest + 1);
inline arithmetic sums(std::uint64_t seed) {
  return arithmetic({.seed = seed, .largest = largest});
}

/// `sums`, but that the test split lists all prompts, those of training included; that logic takes
/// more than a statement, and the task all levels; and that coins may replace the lower levels.
struct judged_sums {
  static constexpr std::string_view name = "sums";
  using problem = arithmetic::problem;

  judged_sums(std::uint64_t seed, bool with_coins)
      : base(sums(seed)), coins(seed, stream_of("coins")), flip(with_coins) {}

  problem sample(split which, std::uint64_t i) const {
    if (which == split::train) return base.sample(which, i);
    const auto n = static_cast<std::int64_t>(i);
    return base.make(n / (largest + 1), '+', n % (largest + 1));
  }
  verdict verify(const problem& p, std::string_view answer) const {
    verdict v = base.verify(p, answer);
    v.reached[2] = v.reached_up_to(level::task);
    // Else the end of the text would be credited for the statement before it.
    v.reached[1] = v.reached[1] && v.decided[1] < static_cast<index_t>(answer.size());
    if (!flip) return v;
    const std::uint64_t n = flipped->fetch_add(1);
    v.reached[0] = coins.uniform(2 * n) < 0.5;
    v.reached[1] = coins.uniform(2 * n + 1) < 0.5;
    return v;
  }

  arithmetic base;
  random_stream coins;
  bool flip;
  std::shared_ptr<std::atomic<std::uint64_t>> flipped =
      std::make_shared<std::atomic<std::uint64_t>>(0);
};

/// Shares of the texts of pre-training: what sampled answers reach, about.
struct corpus_rates {
  double syntax, logic, task;  ///< of all texts; each includes the next
  std::size_t wrong;           ///< how many wrong results there are, all as frequent
};

/// The text learned for a problem. Wrong results are near the right one, which is not much more
/// frequent than they, lest the most likely answer be right from the beginning; wrong operands are
/// those of another problem; a malformed answer has two bytes or more replaced or left out.
inline std::string corrupted(const arithmetic& task, const arithmetic::problem& p,
                             const corpus_rates& rates, const random_stream& draw) {
  std::uint64_t next = 0;
  const double u = draw.uniform(next++);
  if (u < rates.task) return p.solution;
  arithmetic::problem shown = p;
  if (u >= rates.logic && u < rates.syntax)
    while (shown.key == p.key) shown = task.sample(split::train, draw.bits(next++) >> 32);
  const std::int64_t off[] = {1, -1, 2, -2, 3, -3, 4, -4, 5};
  const std::int64_t by = off[draw.below(next++, rates.wrong)], right = std::stoll(shown.result);
  const std::int64_t result = right + by < 0 ? right - by : right + by;
  std::string answer = shown.key + "=" + std::to_string(result);
  if (u < rates.syntax) return answer;
  const std::string bytes = task.alphabet();
  for (int n = 0; n < 2 || task.verify(p, answer)[level::syntax]; ++n) {
    const std::size_t at = draw.below(next++, answer.size());
    if (draw.below(next++, 4) == 0)
      answer.erase(at, 1);
    else
      answer[at] = bytes[draw.below(next++, bytes.size())];
  }
  return answer;
}

template <class F>
void each_number(model_type& model, F&& f) {
  model.for_each_parameter([&](const parameter_name&, auto& p) {
    for (float& x : p.values()) f(x);
  });
}

/// The weights after some steps of 64 texts each.
inline std::vector<float> pretrained(const corpus_rates& rates, index_t steps, std::uint64_t seed) {
  context<cpu> ctx({.threads = 1, .seed = seed});
  model_type model;
  initialize(ctx, model);
  trainer train(ctx, model, adamw{});
  const arithmetic task = sums(seed + 1'000'000);  // not the order of reinforcement learning
  const character_codec codec(task.alphabet());
  for (index_t s = 0; s < steps; ++s) {
    std::vector<std::int32_t> ids, targets;
    std::vector<sequence> rows;
    for (index_t i = 0; i < 64; ++i) {
      const auto n = static_cast<std::uint64_t>(64 * s + i);
      const auto p = task.sample(split::train, n);
      const auto begin = static_cast<index_t>(ids.size());
      ids.push_back(codec.end());
      for (const std::int32_t id : codec.encode(p.prompt)) ids.push_back(id);
      targets.resize(ids.size() - 1, -1);
      const random_stream draw(random_stream(seed, stream_of("corruption")).bits(n));
      for (const std::int32_t id : codec.encode(corrupted(task, p, rates, draw))) {
        targets.push_back(id);
        ids.push_back(id);
      }
      targets.push_back(codec.end());
      rows.push_back({.begin = begin, .length = static_cast<index_t>(ids.size()) - begin});
    }
    const auto count = static_cast<index_t>(ids.size());
    const training_batch batch[] = {
        {{view<const std::int32_t, 1>(ids.data(), count), std::span<const sequence>(rows)},
         view<const std::int32_t, 1>(targets.data(), count)}};
    const double left = 1 - static_cast<double>(s) / static_cast<double>(steps);
    train.step(batch, 3e-3 * std::min(1.0, 2 * left));
  }
  std::vector<float> weights;
  each_number(model, [&](float& x) { weights.push_back(x); });
  return weights;
}

/// PPO in which nothing follows an answer that is cut: it is a failure, not a pause.
struct ppo_to_the_end : ppo {
  template <class Comm>
  void advantages(std::span<experience> answers, Comm& comm) const {
    for (experience& e : answers) e.bootstrap = 0;
    ppo::advantages(answers, comm);
  }
};

struct run_options {
  reward_options reward = {};
  bool coins = false;
  double rate = 1e-3, entropy = 0.01;
  index_t updates = 300;  ///< it ends earlier at 90 % success
  index_t every = 5;      ///< updates between evaluations
  std::uint64_t seed = 0;
};

struct run_result {
  static constexpr double never = std::numeric_limits<double>::infinity();
  double to_half = never, to_ninety = never;     ///< updates
  std::array<double, 3> start = {};              ///< shares of the first sampled answers, gated
  std::vector<std::pair<double, double>> curve;  ///< updates, greedy success on all prompts
  double success = 0, held_out = 0;              ///< at the end: on all prompts, on those kept back
  double hacking = 0;                            ///< the worst update's
};

/// Success of the most likely answers, by the true verdict: {all prompts, those kept back}.
template <class Learn>
std::pair<double, double> greedy_success(Learn& learn, const judged_sums& task) {
  const evaluation_report found = learn.evaluate(split::test, all_prompts);
  double solved = 0, kept = 0, solved_kept = 0;
  for (index_t i = 0; i < all_prompts; ++i) {
    const auto p = task.sample(split::test, static_cast<std::uint64_t>(i));
    const bool right = task.base.verify(p, found.answers[static_cast<std::size_t>(i)].text)
                           .reached_up_to(level::task);
    solved += right;
    if (!in_split(split::test, p.key)) continue;
    kept += 1;
    solved_kept += right;
  }
  return {solved / static_cast<double>(all_prompts), solved_kept / kept};
}

inline run_result run(const std::vector<float>& weights, const run_options& o) {
  context<cpu> ctx({.threads = 1, .seed = o.seed});
  ppo_to_the_end algorithm;
  algorithm.actor.entropy = o.entropy;
  model_type model;
  actor_critic<model_type, clipped_objective> actor(model, true, algorithm.objective,
                                                    algorithm.actor);
  initialize(ctx, actor);
  auto from = weights.begin();
  each_number(model, [&](float& x) { x = *from++; });
  trainer train(ctx, actor, adamw{.weight_decay = {.value = 0}}, {.balance = {.rate = 0}});
  const judged_sums task(o.seed, o.coins);
  const character_codec codec(task.base.alphabet());
  reinforce learn(ctx, train, task, codec, algorithm,
                  {.prompts = 128, .reward = o.reward, .seed = o.seed},
                  {.max_prompt = 6, .max_answer = 10, .slots = 128});
  run_result result;
  for (index_t u = 0; u <= o.updates; ++u) {
    if (u % o.every == 0) {
      std::tie(result.success, result.held_out) = greedy_success(learn, task);
      const auto at = static_cast<double>(u);
      result.curve.emplace_back(at, result.success);
      if (result.success >= 0.5) result.to_half = std::min(result.to_half, at);
      if (result.success >= 0.9) result.to_ninety = std::min(result.to_ninety, at);
    }
    if (u == o.updates || result.to_ninety <= static_cast<double>(u)) break;
    const update_report report = learn.update(o.rate);
    result.hacking = std::max(result.hacking, report.hacking);
    if (u > 0 || o.coins) continue;
    for (const experience& e : learn.answers())
      for (std::size_t l = 0; l < 3; ++l)
        result.start[l] +=
            e.judged.reached_up_to(static_cast<level>(l)) / static_cast<double>(report.answers);
  }
  return result;
}

}  // namespace layered_reward_run
