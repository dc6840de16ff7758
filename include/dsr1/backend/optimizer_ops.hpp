// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Contract: optimizer steps over many tensors in one launch.
#pragma once

#include <span>

#include <dsr1/tensor/view.hpp>

namespace dsr1 {

/// One parameter as an optimizer sees it; all pointers have `size` elements.
template <class T>
struct optimizer_tensor {
  T* value = nullptr;
  const T* gradient = nullptr;  ///< null when the gradient is zero
  T* state[2] = {};             ///< as many as the optimizer keeps
  index_t size = 0;
  double rate = 0;   ///< learning rate of this tensor in this step
  double decay = 0;  ///< weight decay of this tensor
  index_t rows = 0;  ///< of each matrix in it; 0 when it is no matrix
  index_t columns = 0;
};

/// What steps over many tensors ask of them, the same of every backend. Throws `error` naming the
/// operation and the tensor unless each has values and so many states.
template <class T>
void expect_states(const char* name, std::span<const optimizer_tensor<T>> tensors, int states) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const optimizer_tensor<T>& t = tensors[i];
    expects(t.size >= 0, name, ": tensor ", i, " has ", t.size, " elements");
    if (t.size == 0) continue;
    expects(t.value != nullptr, name, ": tensor ", i, " has no values");
    for (int s = 0; s < states; ++s)
      expects(t.state[s] != nullptr, name, ": tensor ", i, " lacks state ", s, ", expected ",
              states);
  }
}

/// expect_<operation>: what the others ask, in the same way.
template <class T>
void expect_muon_momentum(const optimizer_tensor<T>& one, const view<T, 1>& update) {
  expects(update.rows() == one.size, "muon_momentum of ", one.size, " elements into ",
          update.rows());
  expect_states("muon_momentum", std::span<const optimizer_tensor<T>>(&one, 1), 1);
}
template <class T>
void expect_apply_update(const optimizer_tensor<T>& one, const view<const T, 1>& update) {
  expects(update.rows() == one.size, "apply_update of ", update.rows(), " elements to ", one.size);
  expect_states("apply_update", std::span<const optimizer_tensor<T>>(&one, 1), 0);
}
template <class T>
void expect_squared_norms(std::span<const optimizer_tensor<T>> tensors, std::span<double> norms) {
  expects(norms.size() == tensors.size(), "squared_norms of ", tensors.size(), " tensors into ",
          norms.size(), " numbers");
}

/// m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2,
/// p = p (1 - rate decay) - rate (m / correction1) / (sqrt(v / correction2) + eps)
struct adamw_numbers {
  double beta1, beta2, eps;
  double correction1, correction2;  ///< 1 - beta^t
  double gradient_scale;            ///< multiplies every gradient first
};

/// g += decay p; b = g in the first step, else momentum b + (1 - dampening) g;
/// p -= rate (nesterov ? g + momentum b : b); with a momentum of 0 p -= rate g, and no state
struct sgd_numbers {
  double momentum, dampening;
  bool nesterov, first;
  double gradient_scale;
};

/// p = p (1 - rate decay) - rate sign(beta1 m + (1 - beta1) g), m = beta2 m + (1 - beta2) g
struct lion_numbers {
  double beta1, beta2;
  double gradient_scale;
};

/// b = momentum b + (1 - momentum) g; u = nesterov ? momentum b + (1 - momentum) g : b
struct muon_numbers {
  double momentum;
  bool nesterov;
  double gradient_scale;
};

/// adamw, sgd, lion (ctx, tensors, numbers)     one step of every tensor
/// muon_momentum(ctx, tensor, numbers, update)  the momentum of one tensor, and u
/// apply_update(ctx, tensor, update, factor)    p = p (1 - rate decay) - rate factor u
/// squared_norms(ctx, tensors, norms)           norms[i] = the sum of the squares of gradient i, as
///     a double on the host; in chunks of fixed size added in order. Uses gradient and size only.
/// All throw `error` naming the tensor when a value or a state is missing, or sizes that do not
/// fit.
template <class Ctx, class T>
concept optimizer_ops =
    requires(Ctx& ctx, std::span<const optimizer_tensor<T>> tensors, const optimizer_tensor<T>& one,
             view<T, 1> update, view<const T, 1> ready, std::span<double> norms) {
      Ctx::backend::adamw(ctx, tensors, adamw_numbers{});
      Ctx::backend::sgd(ctx, tensors, sgd_numbers{});
      Ctx::backend::lion(ctx, tensors, lion_numbers{});
      Ctx::backend::muon_momentum(ctx, one, muon_numbers{}, update);
      Ctx::backend::apply_update(ctx, one, ready, double{});
      Ctx::backend::squared_norms(ctx, tensors, norms);
    };

}  // namespace dsr1
