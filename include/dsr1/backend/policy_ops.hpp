// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Contract: what reinforcement learning asks of rows of logits, and the gradient of it.
#pragma once

#include <cmath>
#include <cstdint>

#include <dsr1/tensor/view.hpp>

namespace dsr1 {

/// expect_<operation>: what an operation of this group asks of its operands, the same of every
/// backend. Each throws `error` naming what does not fit. This is the part that both share.
template <class T>
void expect_policy_operands(const char* name, view<const T, 2> logits, view<const T, 2> reference,
                            view<const std::int32_t, 1> actions, double inverse_temperature) {
  expects(actions.rows() == logits.rows(), name, " of ", extents_text(logits), " with ",
          actions.rows(), " actions");
  expects(reference.rows() == 0 || same_extents(logits, reference), name, " of ",
          extents_text(logits), " with a reference of ", extents_text(reference));
  expects(inverse_temperature > 0 && std::isfinite(inverse_temperature), name,
          ": the inverse temperature is ", inverse_temperature, ", expected more than 0");
}
template <class T>
void expect_policy_rows(view<const T, 2> logits, view<const T, 2> reference,
                        view<const std::int32_t, 1> actions, double inverse_temperature,
                        view<T, 1> log_probability, view<T, 1> entropy, view<T, 1> divergence) {
  expect_policy_operands("policy_rows", logits, reference, actions, inverse_temperature);
  for (const auto& out : {log_probability, entropy, divergence})
    expects(out.rows() == logits.rows(), "policy_rows of ", extents_text(logits), " to ",
            out.rows(), " results");
}
template <class T>
void expect_policy_gradient_rows(view<T, 2> logits, view<const T, 2> reference,
                                 view<const std::int32_t, 1> actions, double inverse_temperature,
                                 view<const T, 1> d_log_probability, view<const T, 1> d_entropy,
                                 view<const T, 1> d_divergence) {
  expect_policy_operands("policy_gradient_rows", view<const T, 2>(logits), reference, actions,
                         inverse_temperature);
  for (const auto& in : {d_log_probability, d_entropy, d_divergence})
    expects(in.rows() == logits.rows(), "policy_gradient_rows of ", extents_text(logits), " with ",
            in.rows(), " slopes");
}

/// With s = logits * inverse_temperature [rows, vocab], p = softmax(s) and q the same of
/// `reference`, the logits of another model for the same rows (an empty view without one):
///
/// policy_rows(ctx, logits, reference, actions, inverse_temperature, log_probability, entropy,
///             divergence)
///     log_probability[t] = log p[t, action]; entropy[t] = -sum_i p log p;
///     divergence[t] = KL(p || q) = sum_i p (log p - log q), 0 without a reference: both exact,
///     over the whole vocabulary. All three are 0 in a row whose action is below zero. A row's
///     results depend on that row alone, to the bit. Logits that are not finite give results that
///     are not.
/// policy_gradient_rows(ctx, logits, reference, actions, inverse_temperature, d_log_probability,
///                      d_entropy, d_divergence)
///     logits become the gradient of sum_t d_log_probability[t] log_probability[t] + d_entropy[t]
///     entropy[t] + d_divergence[t] divergence[t] by them; 0 in a row whose action is below zero.
/// Actions must be below the number of columns; no backend checks it, because a device would have
/// to be waited for.
template <class Ctx, class T>
concept policy_ops = requires(Ctx& ctx, view<const T, 2> logits, view<T, 2> gradient,
                              view<const std::int32_t, 1> actions, view<const T, 1> slopes,
                              view<T, 1> out) {
  Ctx::backend::policy_rows(ctx, logits, logits, actions, 1.0, out, out, out);
  Ctx::backend::policy_gradient_rows(ctx, gradient, logits, actions, 1.0, slopes, slopes, slopes);
};

}  // namespace dsr1
