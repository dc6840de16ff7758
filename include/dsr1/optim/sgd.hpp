// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Stochastic gradient descent, with momentum if wanted.
#pragma once

#include <dsr1/optim/optimizer.hpp>

namespace dsr1 {

/// g += decay p; b = momentum b + (1 - dampening) g (b = g in the first step);
/// p -= rate b, or rate (g + momentum b) with Nesterov's momentum. As torch.optim.SGD.
/// Without momentum there is no state. Throws `error` on numbers out of range, and on Nesterov's
/// momentum without momentum or with dampening.
struct sgd {
  static constexpr std::string_view name = "sgd";

  double momentum = 0;
  double dampening = 0;
  bool nesterov = false;
  dsr1::weight_decay weight_decay = {};

  int states(std::string_view, int) const { return momentum > 0 ? 1 : 0; }
  double decay(std::string_view, int rank) const { return weight_decay(rank); }

  void validate() const {
    expect_fraction("sgd: momentum", momentum);
    expects(!nesterov || (momentum > 0 && dampening == 0),
            "sgd: Nesterov's momentum with momentum ", momentum, " and dampening ", dampening,
            ", expected above 0 and 0");
  }

  template <class Ctx, class T>
    requires optimizer_ops<Ctx, T>
  void update(Ctx& ctx, std::span<const optimizer_tensor<T>> tensors,
              const optimizer_step& s) const {
    validate();
    Ctx::backend::sgd(ctx, tensors,
                      sgd_numbers{.momentum = momentum,
                                  .dampening = dampening,
                                  .nesterov = nesterov,
                                  .first = s.count == 1,
                                  .gradient_scale = s.gradient_scale});
  }
};

}  // namespace dsr1
