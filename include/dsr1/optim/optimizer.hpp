// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What an optimizer is: a policy (the rule and its numbers) and its state for one model.
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include <dsr1/backend/optimizer_ops.hpp>
#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/optim/parameter_list.hpp>

namespace dsr1 {

/// The numbers of one step that do not belong to the rule.
struct optimizer_step {
  double rate = 0;            ///< learning rate now
  double gradient_scale = 1;  ///< from clipping
  index_t count = 1;          ///< number of this step, from 1
};

/// policy.update(ctx, tensors, step)     changes values and states of all tensors
/// Policy::states                        state buffers per parameter, 0 to 2
/// policy.decay(name, rank)              weight decay of a parameter
template <class P, class Ctx, class T>
concept optimizer_policy = requires(const P& policy, Ctx& ctx,
                                    std::span<const optimizer_tensor<T>> tensors,
                                    const optimizer_step& step, std::string_view name) {
  { P::states } -> std::convertible_to<int>;
  { policy.decay(name, int{}) } -> std::convertible_to<double>;
  policy.update(ctx, tensors, step);
};

/// Weight decay as most recipes have it: matrices decay, vectors (norms, biases, sinks) do not.
struct weight_decay {
  double value = 0;
  bool vectors = false;  ///< decay them too

  double operator()(int rank) const { return rank >= 2 || vectors ? value : 0; }
};

/// The state of `Policy` for the parameters that the optimizer is responsible for
/// (update_rule::optimizer). States begin at zero and belong into checkpoints, and so does the
/// number of steps. A parameter's traits().rate multiplies the learning rate.
template <class Policy, class T = float>
class optimizer {
 public:
  template <class Ctx>
  optimizer(Ctx& ctx, const parameter_list<T>& parameters, Policy policy = {}) : policy_(policy) {
    static_assert(optimizer_policy<Policy, Ctx, T>, "this type is not an optimizer policy");
    for (const auto& [name, p] : parameters) {
      if (p->traits().update != update_rule::optimizer) continue;
      expects(p->trainable(), "parameter ", name, " has no gradient; initialise the model for training");
      slots_.push_back({name, p, {}});
      for (int s = 0; s < Policy::states; ++s) {
        auto& state = slots_.back().state[static_cast<std::size_t>(s)];
        state = buffer<T>(p->size(), ctx.memory());
        Ctx::backend::fill(ctx, state.as(state.size()), T(0));
      }
    }
    tensors_.resize(slots_.size());
  }

  const Policy& policy() const { return policy_; }
  Policy& policy() { return policy_; }
  index_t steps() const { return steps_; }
  void steps(index_t count) { steps_ = count; }

  /// One step with the gradients as they are; those that nobody wrote count as zero.
  template <class Ctx>
  void step(Ctx& ctx, double rate, double gradient_scale = 1) {
    ++steps_;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      slot& s = slots_[i];
      parameter<T>& p = *s.p;
      const bool matrix = p.rank() >= 2;
      tensors_[i] = {.value = p.values().data(),
                     .gradient = p.gradient_written() ? p.gradients().data() : nullptr,
                     .state = {s.state[0].data(), s.state[1].data()},
                     .size = p.size(),
                     .rate = rate * p.traits().rate,
                     .decay = policy_.decay(s.name, p.rank()),
                     .rows = matrix ? p.extent(p.rank() - 2) : 0,
                     .columns = matrix ? p.extent(p.rank() - 1) : 0};
      if constexpr (requires { policy_.is_matrix(s.name); })
        if (!policy_.is_matrix(s.name)) tensors_[i].rows = 0;
    }
    policy_.update(ctx, std::span<const optimizer_tensor<T>>(tensors_),
                   {.rate = rate, .gradient_scale = gradient_scale, .count = steps_});
  }

  /// visitor(name of the parameter and ".0" or ".1", buffer)
  template <class Visitor>
  void for_each_state(Visitor&& visitor) {
    for (slot& s : slots_)
      for (std::size_t i = 0; i < static_cast<std::size_t>(Policy::states); ++i)
        visitor(s.name + "." + std::to_string(i), s.state[i]);
  }

 private:
  struct slot {
    std::string name;
    parameter<T>* p;
    std::array<buffer<T>, 2> state;
  };

  Policy policy_;
  std::vector<slot> slots_;
  std::vector<optimizer_tensor<T>> tensors_;
  index_t steps_ = 0;
};

}  // namespace dsr1
