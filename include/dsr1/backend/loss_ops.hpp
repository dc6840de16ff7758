// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Contract: cross-entropy of rows of logits.
#pragma once

#include <cstdint>

#include <dsr1/tensor/view.hpp>

namespace dsr1 {

/// What cross_entropy_rows leaves in the logits.
enum class logits_become { undefined, gradient };

/// expect_<operation>: what an operation of this group asks of its operands, the same of every
/// backend. Each throws `error` naming the extents that do not fit.
template <class T>
void expect_cross_entropy_rows(const view<T, 2>& logits, const view<const std::int32_t, 1>& targets,
                               const view<T, 1>& loss) {
  expects(targets.rows() == logits.rows() && loss.rows() == logits.rows(), "cross_entropy_rows of ",
          extents_text(logits), " with ", targets.rows(), " targets into ", loss.rows(), " losses");
}

/// cross_entropy_rows(ctx, logits, targets, scale, z, become, loss)
///     lse[t] = log sum_i exp(logits[t, i]); loss[t] = lse[t] - logits[t, target] + z lse[t]^2;
///     with `gradient`, logits become scale times the gradient of loss[t]. A row whose target is
///     below zero has loss 0 and gradient 0. Targets must be below the number of columns; no
///     backend checks it, because a device would have to be waited for.
template <class Ctx, class T>
concept loss_ops = requires(Ctx& ctx, view<T, 2> logits, view<const std::int32_t, 1> targets,
                            view<T, 1> loss) {
  Ctx::backend::cross_entropy_rows(ctx, logits, targets, 1.0, 0.0, logits_become::gradient, loss);
};

}  // namespace dsr1
