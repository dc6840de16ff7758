// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What a run of reinforcement learning was asked for.
#pragma once

#include <string>

#include <dsr1/io/json.hpp>
#include <dsr1/rl/reinforce.hpp>

namespace seed {

using dsr1::index_t;

/// Everything that decides the numbers of such a run besides its `run_config`; "reinforcement" in
/// run.json.
struct reinforcement {
  std::string algorithm = "ppo";  ///< or grpo, dr_grpo, dapo, gspo
  std::string task = "arithmetic";
  dsr1::json task_options = dsr1::json::object();
  std::string from_hash;  ///< of the weights that it began with, which are its reference
  index_t updates = 100;
  index_t prompts = 64;
  index_t group = 8;  ///< answers to a prompt; PPO takes one
  index_t epochs = 2;
  index_t minibatches = 2;
  index_t answer = 64;  ///< most tokens of an answer
  index_t prompt = 64;  ///< most tokens of a prompt
  double entropy = 0.005;
  double kl = 0.01;       ///< coefficient of the penalty
  double kl_target = 0;   ///< per token; 0: the coefficient is fixed
  double largest_kl = 5;  ///< per token; more ends the run
  double temperature = 1;
  std::array<double, 3> levels = {0.2, 0.3, 0.5};
  bool own_critic = false;  ///< PPO's critic is a model of its own, which begins as the policy does
  bool at_token = false;    ///< credit where a level can be told, not at the end
  index_t anneal = 0;
  index_t evaluate_updates = 20;
  index_t problems = 200;  ///< of an evaluation

  bool has_critic() const { return algorithm == "ppo"; }

  dsr1::json to_json() const {
    return {{"algorithm", algorithm},
            {"task", task},
            {"task_options", task_options},
            {"from_hash", from_hash},
            {"updates", updates},
            {"prompts", prompts},
            {"group", group},
            {"epochs", epochs},
            {"minibatches", minibatches},
            {"answer", answer},
            {"prompt", prompt},
            {"entropy", entropy},
            {"kl", kl},
            {"kl_target", kl_target},
            {"largest_kl", largest_kl},
            {"temperature", temperature},
            {"levels", levels},
            {"own_critic", own_critic},
            {"at_token", at_token},
            {"anneal", anneal},
            {"evaluate_updates", evaluate_updates},
            {"problems", problems}};
  }

  /// Throws `error` naming the source and the key.
  static reinforcement from_json(const dsr1::json_object& o) {
    reinforcement r;
    const auto set = [&](const char* key, auto& value) {
      value = o.get<std::remove_reference_t<decltype(value)>>(key);
    };
    set("algorithm", r.algorithm);
    set("task", r.task);
    set("task_options", r.task_options);
    set("from_hash", r.from_hash);
    set("updates", r.updates);
    set("prompts", r.prompts);
    set("group", r.group);
    set("epochs", r.epochs);
    set("minibatches", r.minibatches);
    set("answer", r.answer);
    set("prompt", r.prompt);
    set("entropy", r.entropy);
    set("kl", r.kl);
    set("kl_target", r.kl_target);
    set("largest_kl", r.largest_kl);
    set("temperature", r.temperature);
    set("levels", r.levels);
    set("own_critic", r.own_critic);
    set("at_token", r.at_token);
    set("anneal", r.anneal);
    set("evaluate_updates", r.evaluate_updates);
    set("problems", r.problems);
    return r;
  }

  dsr1::reinforce_options updates_of(std::uint64_t seed) const {
    return {.prompts = prompts,
            .epochs = epochs,
            .minibatches = minibatches,
            .reward = {.weights = levels,
                       .where = at_token ? dsr1::credit::when_decided : dsr1::credit::at_end,
                       .anneal = anneal},
            .penalty = {.coefficient = kl, .target = kl_target},
            .largest_kl = largest_kl,
            .seed = seed};
  }
  dsr1::rollout_options rollouts() const {
    return {.max_prompt = prompt, .max_answer = answer, .slots = 64};
  }
};

}  // namespace seed
