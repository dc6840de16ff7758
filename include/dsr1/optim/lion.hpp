// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Lion: the sign of an interpolated momentum.
#pragma once

#include <dsr1/optim/optimizer.hpp>

namespace dsr1 {

/// p = p (1 - rate decay) - rate sign(b1 m + (1 - b1) g), then m = b2 m + (1 - b2) g.
/// Chen et al. 2023, arXiv 2302.06675. Wants a rate 3 to 10 times smaller than AdamW, and a decay
/// larger by as much. Throws `error` when a beta is not in [0, 1).
struct lion {
  static constexpr std::string_view name = "lion";

  double beta1 = 0.9;
  double beta2 = 0.99;
  dsr1::weight_decay weight_decay = {};

  static constexpr int states(std::string_view, int) { return 1; }
  double decay(std::string_view, int rank) const { return weight_decay(rank); }

  void validate() const {
    expect_fraction("lion: beta1", beta1);
    expect_fraction("lion: beta2", beta2);
  }

  template <class Ctx, class T>
    requires optimizer_ops<Ctx, T>
  void update(Ctx& ctx, std::span<const optimizer_tensor<T>> tensors,
              const optimizer_step& s) const {
    validate();
    Ctx::backend::lion(
        ctx, tensors,
        lion_numbers{.beta1 = beta1, .beta2 = beta2, .gradient_scale = s.gradient_scale});
  }
};

}  // namespace dsr1
