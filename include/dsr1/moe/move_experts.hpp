// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Experts move to other ranks while training goes on, with what optimizers keep about them.
#pragma once

#include <string>
#include <string_view>

#include <dsr1/moe/expert_parallel.hpp>

namespace dsr1 {

/// Something that keeps numbers beside parameters: state.for_each_state(visitor) calls
/// visitor(text, buffer) with "<name of the parameter>.<anything>" and a buffer of its size, which
/// may be replaced. An `optimizer` does so.
template <class S>
concept keeps_state =
    requires(S& state) { state.for_each_state([](const std::string&, auto&) {}); };

/// f(text, buffer, parameter) for every buffer that `state` keeps for a parameter of `layer`, which
/// stands under `name` in the model. Returns how many there are.
template <class Inner, keeps_state S, class F>
index_t for_each_expert_state(expert_parallel<Inner>& layer, std::string_view name, S& state,
                              F&& f) {
  index_t found = 0;
  layer.for_each_parameter([&](const parameter_name& last, auto& p) {
    const std::string prefix = (name.empty() ? "" : std::string(name) + ".") + last.str() + ".";
    state.for_each_state([&](const std::string& what, auto& values) {
      if (what.size() <= prefix.size() || what.compare(0, prefix.size(), prefix) != 0) return;
      ++found;
      f(what, values, p);
    });
  });
  return found;
}

/// `layer.move(ctx, to)`, with the slices of every state whose parameter stands under `name` (the
/// layer's place in the model, "layers.3.moe.experts").
/// Collective, between steps: gradients are cleared, values and states keep their bits, and so does
/// the loss. What was built from `parameter::slices` (gradient exchange) has to be built again.
/// Sends transfers(from, to) times the size of one expert and its states, as purpose::weights.
/// Throws `error`, before anything has moved, when a state has none of these parameters, or another
/// size than its parameter.
template <class Ctx, class Inner, keeps_state... States>
  requires(sizeof...(States) > 0)
void move_experts(Ctx& ctx, expert_parallel<Inner>& layer, const placement& to,
                  std::string_view name, States&... states) {
  const placement from = layer.where();
  layer.expect_movable(ctx, to);
  const auto check = [&](const std::string& what, const auto& values, const auto& p) {
    expects(values.size() == p.size(), "move_experts: the state ", what, " has ", values.size(),
            " numbers, its parameter ", p.size());
  };
  const auto move = [&](const std::string&, auto& values, const auto& p) {
    move_slices(ctx, from, to, p.slice_size(), values);
  };
  (expects(for_each_expert_state(layer, name, states, check) > 0,
           "move_experts: no state belongs to a parameter under '", name, "'"),
   ...);
  (for_each_expert_state(layer, name, states, move), ...);
  layer.move(ctx, to);
}

}  // namespace dsr1
