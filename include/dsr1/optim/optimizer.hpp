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
#include <dsr1/tensor/parameter_list.hpp>

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
///                                       then have their extents in `optimizer_tensor`, and which
///                                       are never shared among ranks
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
    for (std::size_t i = 0; i < parameters.size(); ++i)
      add(ctx, parameters, {.parameter = i, .size = parameters[i].p->size()});
    tensors_.resize(slots_.size());
  }
  /// Responsible for these pieces only, which are made of whole units (see `unit`).
  template <class Ctx>
  optimizer(Ctx& ctx, const parameter_list<T>& parameters, Policy policy,
            std::span<const piece> pieces)
      : policy_(policy) {
    for (const piece& p : pieces) add(ctx, parameters, p);
    tensors_.resize(slots_.size());
  }

  /// Of how many numbers of a parameter the rule needs all or none: a matrix, or one.
  static index_t unit(const Policy& policy, std::string_view name, const parameter<T>& p) {
    return is_matrix(policy, name, p) ? p.extent(p.rank() - 2) * p.extent(p.rank() - 1) : 1;
  }

  /// How many states the rule keeps of a parameter; none of those that it does not change.
  int states(std::string_view name, const parameter<T>& p) const {
    return p.traits().update == update_rule::optimizer ? policy_.states(name, rank_of(p)) : 0;
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

  /// visitor(name of the parameter and ".0" or ".1", buffer), or the same with the piece of the
  /// parameter that it is the state of
  template <class Visitor>
  void for_each_state(Visitor&& visitor) {
    for (slot& s : slots_) {
      if (s.whole) s.where.size = s.p->size();
      for (int i = 0; i < s.states; ++i) {
        const std::string name = s.name + "." + std::to_string(i);
        buffer<T>& state = s.state[static_cast<std::size_t>(i)];
        if constexpr (std::is_invocable_v<Visitor&, const std::string&, buffer<T>&, const piece&>)
          visitor(name, state, std::as_const(s.where));
        else
          visitor(name, state);
      }
    }
  }

 private:
  struct slot {
    std::string name;
    parameter<T>* p;
    piece where;
    int rank;
    int states;
    std::array<buffer<T>, 2> state;
    bool whole = false;  // all that this rank has of the parameter, also when that changes

    std::span<buffer<T>> used() { return std::span(state).first(static_cast<std::size_t>(states)); }
  };

  template <class Ctx>
  void add(Ctx& ctx, const parameter_list<T>& parameters, const piece& where) {
    const auto& [name, p] = parameters[where.parameter];
    if (p->traits().update != update_rule::optimizer) return;
    expects(p->trainable(), "parameter ", name,
            " has no gradient; initialise the model for training");
    const index_t whole = unit(policy_, name, *p);
    expects(where.begin % whole == 0 && where.size % whole == 0, "the optimizer is given ",
            where.size, " numbers of parameter ", name, " from number ", where.begin,
            ", expected multiples of ", whole);
    slots_.push_back({name,
                      p,
                      where,
                      rank_of(*p),
                      policy_.states(name, rank_of(*p)),
                      {},
                      where.begin == 0 && where.size == p->size()});
    slot& s = slots_.back();
    expects(s.states >= 0 && s.states <= 2, "the optimizer wants ", s.states,
            " states for parameter ", name, ", expected 0 to 2");
    for (buffer<T>& state : s.used()) {
      state = buffer<T>(where.size, ctx.memory());
      Ctx::backend::fill(ctx, state.as(state.size()), T(0));
    }
  }

  static bool is_matrix(const Policy& policy, std::string_view name, const parameter<T>& p) {
    if constexpr (requires { policy.is_matrix(name, 0); })
      return rank_of(p) >= 2 && p.size() > 0 && policy.is_matrix(name, rank_of(p));
    return false;
  }

  static int rank_of(const parameter<T>& p) { return p.rank() - (p.traits().per_expert ? 1 : 0); }

  optimizer_tensor<T> describe(slot& s, double rate) const {
    parameter<T>& p = *s.p;
    expects(policy_.states(s.name, s.rank) == s.states, "the optimizer's policy now wants ",
            policy_.states(s.name, s.rank), " states for parameter ", s.name,
            ", it was built with ", s.states);
    if (s.whole) s.where.size = p.size();
    for (const buffer<T>& state : s.used())
      expects(state.size() == s.where.size, "the optimizer: parameter ", s.name, " has ",
              s.where.size, " numbers, its state ", state.size());
    const bool matrix = is_matrix(policy_, s.name, p);
    return {.value = p.values().data() + s.where.begin,
            .gradient = p.gradient_written() ? p.gradients().data() + s.where.begin : nullptr,
            .state = {s.state[0].data(), s.state[1].data()},
            .size = s.where.size,
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
