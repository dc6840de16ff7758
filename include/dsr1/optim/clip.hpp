// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The global norm of the gradient, and clipping by it.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <dsr1/backend/optimizer_ops.hpp>
#include <dsr1/optim/parameter_list.hpp>
#include <dsr1/tensor/workspace.hpp>

namespace dsr1 {

/// sqrt of the sum of squares of all gradients that the optimizer uses, in double and in a fixed
/// order. Throws `error` naming the parameter and the step when one is not finite.
template <class Ctx, class T>
  requires optimizer_ops<Ctx, T>
double global_norm(Ctx& ctx, const parameter_list<T>& parameters, index_t step = 0) {
  const workspace::scope scope(ctx.workspace());
  const auto count = static_cast<index_t>(parameters.size());
  // Both arrays are read by the host; on the CPU the workspace is host memory, elsewhere vectors.
  thread_local std::vector<optimizer_tensor<T>> tensors;
  thread_local std::vector<double> norms;
  tensors.assign(static_cast<std::size_t>(count), {});
  norms.assign(static_cast<std::size_t>(count), 0);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    parameter<T>& p = *parameters[i].p;
    if (p.traits().update != update_rule::optimizer || !p.gradient_written()) continue;
    tensors[i].gradient = p.gradients().data();
    tensors[i].size = p.size();
  }
  Ctx::backend::squared_norms(ctx, std::span<const optimizer_tensor<T>>(tensors), std::span<double>(norms));
  double sum = 0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    expects(std::isfinite(norms[i]), "the gradient of ", parameters[i].name, " is not finite in step ", step);
    sum += norms[i];
  }
  return std::sqrt(sum);
}

/// The factor that brings a gradient of this norm down to `most`: min(1, most / (norm + 1e-6)).
inline double clip_factor(double norm, double most) { return std::min(1.0, most / (norm + 1e-6)); }

}  // namespace dsr1
