// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What tells one algorithm of reinforcement learning from another: how answers are compared, and
// the objective.
#pragma once

#include <span>

#include <dsr1/comm/concepts.hpp>
#include <dsr1/loss/token_weights.hpp>
#include <dsr1/rl/experience.hpp>

namespace dsr1 {

/// A::critic                            whether it needs values
/// a.group                              answers to each prompt
/// a.objective                          see `policy_objective`
/// a.average                            how tokens are averaged (`token_average`)
/// a.actor                              coefficients (`actor_options`)
/// a.advantages(answers, comm)          fills `advantage` (and `returns`, with a critic) of this
///                                      rank's answers, which are whole groups; collective
template <class A, class Comm>
concept rl_algorithm = requires(const A& a, std::span<experience> answers, Comm& comm) {
  { A::critic } -> std::convertible_to<bool>;
  { a.group } -> std::convertible_to<index_t>;
  { a.average } -> std::convertible_to<token_average>;
  { a.actor } -> std::convertible_to<actor_options>;
  requires policy_objective<std::remove_cvref_t<decltype(a.objective)>>;
  a.advantages(answers, comm);
};

}  // namespace dsr1
