// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// How much a policy pays for its distance from the reference model.
#pragma once

#include <algorithm>
#include <cmath>

#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

/// The coefficient of the KL penalty: fixed, or moved towards a target by
///     beta *= 1 + clamp(kl / target - 1, -0.2, 0.2) answers / horizon
/// after every update (Ziegler et al., arXiv 1909.08593). Its state is `coefficient`.
struct kl_controller {
  double coefficient = 0;
  double target = 0;        ///< KL per token; 0: the coefficient is fixed
  double horizon = 10'000;  ///< answers

  /// Throws `error` on numbers out of range and on a KL that is not finite.
  void update(double kl, index_t answers) {
    expects(coefficient >= 0 && target >= 0 && horizon > 0, "kl_controller: coefficient ",
            coefficient, ", target ", target, ", horizon ", horizon,
            ", expected 0 or more, 0 or more, above 0");
    expects(std::isfinite(kl), "kl_controller: the KL is ", kl, ", expected a finite number");
    if (target == 0) return;
    coefficient *=
        1 + std::clamp(kl / target - 1, -0.2, 0.2) * static_cast<double>(answers) / horizon;
  }
};

}  // namespace dsr1
