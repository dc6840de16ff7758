// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// AdamW: Adam with decoupled weight decay.
#pragma once

#include <cmath>

#include <dsr1/optim/optimizer.hpp>

namespace dsr1 {

/// m = b1 m + (1 - b1) g, v = b2 v + (1 - b2) g^2, with bias corrections c1 = 1 - b1^t, c2 = 1 -
/// b2^t:
///     p = p (1 - rate decay) - rate (m / c1) / (sqrt(v / c2) + eps)
/// Loshchilov and Hutter 2017, arXiv 1711.05101; the same steps as torch.optim.AdamW.
/// Throws `error` when a beta is not in [0, 1) or eps is below zero.
struct adamw {
  static constexpr std::string_view name = "adamw";

  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  dsr1::weight_decay weight_decay = {.value = 0.1};

  static constexpr int states(std::string_view, int) { return 2; }
  double decay(std::string_view, int rank) const { return weight_decay(rank); }

  void validate() const {
    expect_fraction("adamw: beta1", beta1);
    expect_fraction("adamw: beta2", beta2);
    expects(eps >= 0, "adamw: eps is ", eps, ", expected none below zero");
  }

  template <class Ctx, class T>
    requires optimizer_ops<Ctx, T>
  void update(Ctx& ctx, std::span<const optimizer_tensor<T>> tensors,
              const optimizer_step& s) const {
    validate();
    const double t = static_cast<double>(s.count);
    Ctx::backend::adamw(ctx, tensors,
                        adamw_numbers{.beta1 = beta1,
                                      .beta2 = beta2,
                                      .eps = eps,
                                      .correction1 = 1 - std::pow(beta1, t),
                                      .correction2 = 1 - std::pow(beta2, t),
                                      .gradient_scale = s.gradient_scale});
  }
};

}  // namespace dsr1
