// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What an optimizer is: a policy (the rule and its numbers) and its state for one model.
#pragma once

#include <array>
#include <cmath>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <dsr1/backend/optimizer_ops.hpp>
#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/optim/parameter_list.hpp>

namespace dsr1 {

/// The numbers of one step that do not belong to the rule.
struct optimizer_step {
  double rate = 0;            ///< learning rate now
  double gradient_scale = 1;  ///< multiplies every gradient first: clipping, accumulation
  index_t count = 1;          ///< number of this step, from 1
};

/// P::name                               what checkpoints call the rule
/// policy.update(ctx, tensors, step)     changes values and states of all tensors
/// policy.states(name, rank)             state buffers of a parameter, 0 to 2
/// policy.decay(name, rank)              weight decay of a parameter
/// policy.is_matrix(name, rank)          optional: whether the rule treats it as matrices, which
///                                       then have their extents in `optimizer_tensor`
/// The rank is that of one expert's slice where a parameter has one slice per expert: the biases of
/// all experts, [experts, hidden], are vectors.
template <class P, class Ctx, class T>
concept optimizer_policy =
    requires(const P& policy, Ctx& ctx, std::span<const optimizer_tensor<T>> tensors,
             const optimizer_step& step, std::string_view name) {
      { P::name } -> std::convertible_to<std::string_view>;
      { policy.states(name, int{}) } -> std::convertible_to<int>;
      { policy.decay(name, int{}) } -> std::convertible_to<double>;
      policy.update(ctx, tensors, step);
    };

/// Weight decay as most recipes have it: matrices decay, vectors (norms, biases, sinks) do not.
struct weight_decay {
  double value = 0;
  bool vectors = false;  ///< decay them too

  double operator()(int rank) const { return rank >= 2 || vectors ? value : 0; }
};

/// Throws `error` naming the number unless it lies in [0, 1).
inline void expect_fraction(const char* name, double value) {
  expects(value >= 0 && value < 1, name, " is ", value, ", expected from 0 to below 1");
}

/// The state of `Policy` for the parameters that the optimizer is responsible for
/// (update_rule::optimizer). States begin at zero and belong into checkpoints, and so does the
/// number of steps. A parameter's traits().rate multiplies the learning rate. A step takes nothing
/// from the heap once the context's workspace is warm. The model may not move or die.
template <class Policy, class T = float>
class optimizer {
 public:
  template <class Ctx>
  optimizer(Ctx& ctx, const parameter_list<T>& parameters, Policy policy = {}) : policy_(policy) {
    static_assert(optimizer_policy<Policy, Ctx, T>, "this type is not an optimizer policy");
    for (const auto& [name, p] : parameters) {
      if (p->traits().update != update_rule::optimizer) continue;
      expects(p->trainable(), "parameter ", name,
              " has no gradient; initialise the model for training");
      slots_.push_back({name, p, rank_of(*p), policy_.states(name, rank_of(*p)), {}});
      slot& s = slots_.back();
      expects(s.states >= 0 && s.states <= 2, "the optimizer wants ", s.states,
              " states for parameter ", name, ", expected 0 to 2");
      for (buffer<T>& state : s.used()) {
        state = buffer<T>(p->size(), ctx.memory());
        Ctx::backend::fill(ctx, state.as(state.size()), T(0));
      }
    }
    tensors_.resize(slots_.size());
  }

  const Policy& policy() const { return policy_; }
  Policy& policy() { return policy_; }
  index_t steps() const { return steps_; }
  void steps(index_t count) {
    expects(count >= 0, "optimizer: ", count, " steps, expected none below zero");
    steps_ = count;
  }

  /// One step with the gradients as they are; those that nobody wrote count as zero. Throws `error`
  /// before anything has changed when a number is not finite or the policy refuses its own.
  template <class Ctx>
  void step(Ctx& ctx, double rate, double gradient_scale = 1) {
    expects(std::isfinite(rate) && rate >= 0, "optimizer: the rate of step ", steps_ + 1, " is ",
            rate, ", expected a number of at least 0");
    expects(std::isfinite(gradient_scale), "optimizer: the gradient scale of step ", steps_ + 1,
            " is ", gradient_scale, ", expected a finite number");
    for (std::size_t i = 0; i < slots_.size(); ++i) tensors_[i] = describe(slots_[i], rate);
    policy_.update(ctx, std::span<const optimizer_tensor<T>>(tensors_),
                   {.rate = rate, .gradient_scale = gradient_scale, .count = steps_ + 1});
    ++steps_;
  }

  /// visitor(name of the parameter and ".0" or ".1", buffer)
  template <class Visitor>
  void for_each_state(Visitor&& visitor) {
    for (slot& s : slots_)
      for (int i = 0; i < s.states; ++i)
        visitor(s.name + "." + std::to_string(i), s.state[static_cast<std::size_t>(i)]);
  }

 private:
  struct slot {
    std::string name;
    parameter<T>* p;
    int rank;
    int states;
    std::array<buffer<T>, 2> state;

    std::span<buffer<T>> used() { return std::span(state).first(static_cast<std::size_t>(states)); }
  };

  static int rank_of(const parameter<T>& p) { return p.rank() - (p.traits().per_expert ? 1 : 0); }

  optimizer_tensor<T> describe(slot& s, double rate) const {
    parameter<T>& p = *s.p;
    expects(policy_.states(s.name, s.rank) == s.states, "the optimizer's policy now wants ",
            policy_.states(s.name, s.rank), " states for parameter ", s.name,
            ", it was built with ", s.states);
    bool matrix = s.rank >= 2;
    if constexpr (requires { policy_.is_matrix(s.name, s.rank); })
      matrix = matrix && policy_.is_matrix(s.name, s.rank);
    return {.value = p.values().data(),
            .gradient = p.gradient_written() ? p.gradients().data() : nullptr,
            .state = {s.state[0].data(), s.state[1].data()},
            .size = p.size(),
            .rate = rate * p.traits().rate,
            .decay = policy_.decay(s.name, s.rank),
            .rows = matrix ? p.extent(p.rank() - 2) : 0,
            .columns = matrix ? p.extent(p.rank() - 1) : 0};
  }

  Policy policy_;
  std::vector<slot> slots_;
  std::vector<optimizer_tensor<T>> tensors_;
  index_t steps_ = 0;
};

}  // namespace dsr1
