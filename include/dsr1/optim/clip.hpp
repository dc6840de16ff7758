// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The global norm of the gradient, and clipping by it.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <dsr1/backend/optimizer_ops.hpp>
#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/optim/parameter_list.hpp>

namespace dsr1 {

/// sqrt of the sum of squares of all gradients that the optimizer uses, in a fixed order: chunks of
/// fixed size, added in double. Throws `error` naming the parameter, and the step if it is given,
/// when a gradient is not finite. On several ranks, combine the gradients first.
template <class Ctx, class T>
  requires optimizer_ops<Ctx, T>
double global_norm(Ctx& ctx, const parameter_list<T>& parameters, index_t step = -1) {
  // Arrays that the host reads, so not from the workspace, which may be device memory.
  thread_local std::vector<optimizer_tensor<T>> tensors;
  thread_local std::vector<double> norms;
  tensors.assign(parameters.size(), {});
  norms.assign(parameters.size(), 0);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    parameter<T>& p = *parameters[i].p;
    if (p.traits().update != update_rule::optimizer || !p.gradient_written()) continue;
    tensors[i].gradient = p.gradients().data();
    tensors[i].size = p.size();
  }
  Ctx::backend::squared_norms(ctx, std::span<const optimizer_tensor<T>>(tensors),
                              std::span<double>(norms));
  double sum = 0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!std::isfinite(norms[i])) {
      // The square of a large but finite float overflows; the square of its double does not.
      const view<const T, 1> g(tensors[i].gradient, tensors[i].size);
      norms[i] = Ctx::backend::dot(ctx, g, g);
    }
    if (!std::isfinite(norms[i]))
      throw error(text("the gradient of ", parameters[i].name, " is not finite",
                       step >= 0 ? text(" in step ", step) : std::string()));
    sum += norms[i];
  }
  return std::sqrt(sum);
}

/// The factor that brings a gradient of this norm down to `most`: min(1, most / (norm + 1e-6)), as
/// torch's clip_grad_norm_ has it. Give it to `optimizer::step` as the gradient scale.
inline double clip_factor(double norm, double most) {
  expects(norm >= 0 && most > 0, "clip_factor: a norm of ", norm, " down to ", most,
          ", expected numbers of at least and above 0");
  return std::min(1.0, most / (norm + 1e-6));
}

}  // namespace dsr1
