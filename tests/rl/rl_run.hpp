// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A whole run of reinforcement learning on the echo task.
#pragma once

#include "rl/echo.hpp"

#include <dsr1/model/actor_critic.hpp>
#include <dsr1/rl/grpo.hpp>
#include <dsr1/rl/ppo.hpp>
#include <dsr1/rl/reinforce.hpp>
#include <dsr1/train/trainer.hpp>

namespace rl_run {

using namespace dsr1;

inline constexpr rollout_options sampling{.max_prompt = 6, .max_answer = 4, .slots = 16};

template <class Algorithm, class T = float, class Ctx = context<cpu>>
struct run {
  using model_type = echo::model<T>;
  using objective = std::remove_cvref_t<decltype(Algorithm::objective)>;
  using actor_type = actor_critic<model_type, objective>;
  using trainer_type = trainer<Ctx, actor_type, adamw>;

  Ctx& ctx;
  model_type model = echo::make<T>(), reference = echo::make<T>();
  character_codec codec{echo::task::alphabet()};
  echo::task task;
  actor_type actor;
  trainer_type train;
  reinforce<Ctx, trainer_type, echo::task, character_codec, Algorithm> learn;

  run(Ctx& context, const Algorithm& algorithm, const reinforce_options& options)
      : ctx(context),
        actor(model, Algorithm::critic, algorithm.objective, algorithm.actor, &reference),
        train(ctx, initialized(), adamw{}),
        learn(ctx, train, task, codec, algorithm, options, sampling) {}

  std::vector<T> weights() {
    std::vector<T> all;
    actor.for_each_parameter([&](const parameter_name&, auto& p) {
      all.insert(all.end(), p.values().begin(), p.values().end());
    });
    return all;
  }

 private:
  actor_type& initialized() {
    initialize(ctx, actor);
    initialize(ctx, reference, false);
    return actor;
  }
};

}  // namespace rl_run
