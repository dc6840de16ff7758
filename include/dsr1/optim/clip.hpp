// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The global norm of the gradient, and clipping by it.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <dsr1/backend/optimizer_ops.hpp>
#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/tensor/parameter_list.hpp>

namespace dsr1 {

/// squares[i] = the sum of the squares of gradient i, 0 where it has none; those whose squares do
/// not fit into a float are added in double.
template <class Ctx, class T>
  requires optimizer_ops<Ctx, T>
void squares_of(Ctx& ctx, std::span<const optimizer_tensor<T>> tensors, std::span<double> squares) {
  Ctx::backend::squared_norms(ctx, tensors, squares);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (std::isfinite(squares[i])) continue;
    // The square of a large but finite float overflows; the square of its double does not.
    const view<const T, 1> g(tensors[i].gradient, tensors[i].size);
    squares[i] = Ctx::backend::dot(ctx, g, g);
  }
}

/// sqrt of the sum of these; an `error` naming the parameter, and the step unless it is below zero,
/// when one is not finite.
template <class T>
double root_of(const parameter_list<T>& parameters, std::span<const double> squares, index_t step) {
  double sum = 0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (!std::isfinite(squares[i]))
      throw error(text("the gradient of ", parameters[i].name, " is not finite",
                       step >= 0 ? text(" in step ", step) : std::string()));
    sum += squares[i];
  }
  return std::sqrt(sum);
}

/// sqrt of the sum of squares of all gradients that the optimizer uses, in a fixed order: chunks of
/// fixed size, added in double. Throws `error` naming the parameter, and the step if it is given,
/// when a gradient is not finite. On several ranks this is of
/// the gradients that this rank has.
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
  squares_of(ctx, std::span<const optimizer_tensor<T>>(tensors), std::span<double>(norms));
  return root_of(parameters, std::span<const double>(norms), step);
}

/// The same over several ranks, of which each adds the pieces that it owns.
template <class Ctx, class T>
  requires optimizer_ops<Ctx, T>
double global_norm(Ctx& ctx, const parameter_list<T>& parameters, std::span<const piece> owned,
                   index_t step = -1) {
  thread_local std::vector<optimizer_tensor<T>> tensors;
  thread_local std::vector<double> norms, sums;
  tensors.assign(owned.size(), {});
  norms.assign(owned.size(), 0);
  for (std::size_t i = 0; i < owned.size(); ++i) {
    parameter<T>& p = *parameters[owned[i].parameter].p;
    if (p.traits().update != update_rule::optimizer || !p.gradient_written()) continue;
    tensors[i].gradient = p.gradients().data() + owned[i].begin;
    tensors[i].size = owned[i].size;
  }
  squares_of(ctx, std::span<const optimizer_tensor<T>>(tensors), std::span<double>(norms));
  sums.assign(parameters.size(), 0);
  for (std::size_t i = 0; i < owned.size(); ++i) sums[owned[i].parameter] += norms[i];
  ctx.comm().all_reduce(view<double, 1>(sums.data(), static_cast<index_t>(sums.size())));
  return root_of(parameters, std::span<const double>(sums), step);
}

/// The factor that brings a gradient of this norm down to `most`: min(1, most / (norm + 1e-6)), as
/// torch's clip_grad_norm_ has it. Give it to `optimizer::step` as the gradient scale.
inline double clip_factor(double norm, double most) {
  expects(norm >= 0 && most > 0, "clip_factor: a norm of ", norm, " down to ", most,
          ", expected numbers of at least and above 0");
  return std::min(1.0, most / (norm + 1e-6));
}

}  // namespace dsr1
