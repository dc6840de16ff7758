// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Contract: cross-entropy of rows of logits.
#pragma once

#include <cstdint>

#include <dsr1/tensor/view.hpp>

namespace dsr1 {

/// What cross_entropy_rows leaves in the logits.
enum class logits_become { undefined, gradient };

/// cross_entropy_rows(ctx, logits, targets, scale, z, become, loss)
///     lse[t] = log sum_i exp(logits[t, i]); loss[t] = lse[t] - logits[t, target] + z lse[t]^2;
///     with `gradient`, logits become scale times the gradient of loss[t]. A row whose target is
///     below zero has loss 0 and gradient 0.
template <class Ctx, class T>
concept loss_ops = requires(Ctx& ctx, view<T, 2> logits, view<const std::int32_t, 1> targets,
                            view<T, 1> loss) {
  Ctx::backend::cross_entropy_rows(ctx, logits, targets, 1.0, 0.0, logits_become::gradient, loss);
};

}  // namespace dsr1
