// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Contract: root-mean-square normalisation.
#pragma once

#include <dsr1/tensor/parameter.hpp>
#include <dsr1/tensor/view.hpp>

namespace dsr1 {

/// Where a model that works in bfloat16 rounds inside RMSNorm. The published families differ:
/// gpt-oss rounds after the weight, Mixtral, Qwen and DeepSeek before it and after it.
enum class norm_rounding {
  none,          ///< y = w (x r)
  after_weight,  ///< y = bf16(w (x r))
  before_weight  ///< y = bf16(w bf16(x r))
};

/// expect_<operation>: what an operation of this group asks of its operands, the same of every
/// backend. Each throws `error` naming the extents that do not fit.
template <class T>
void expect_rms_norm(const view<const T, 2>& x, const view<const T, 1>& weight, const view<T, 2>& y,
                     const view<T, 1>& inverse) {
  expects(same_extents(x, y) && inverse.rows() == x.rows(), "rms_norm of ", extents_text(x),
          " into ", extents_text(y), " and ", extents_text(inverse));
  expects(weight.data == nullptr || weight.rows() == x.columns(), "rms_norm: the weight is ",
          extents_text(weight), " for x ", extents_text(x));
}
template <class T>
void expect_rms_norm_backward(const view<const T, 2>& dy, const view<const T, 2>& x,
                              const view<const T, 1>& weight, const view<const T, 1>& inverse,
                              const view<T, 2>& dx, const view<T, 1>& dweight) {
  expects(same_extents(dy, x) && same_extents(dx, x) && inverse.rows() == x.rows(),
          "rms_norm_backward of ", extents_text(dy), " for x ", extents_text(x), ", inverse ",
          extents_text(inverse), " into dx ", extents_text(dx));
  expects(weight.data == nullptr || (weight.rows() == x.columns() && same_extents(weight, dweight)),
          "rms_norm_backward: the weight is ", extents_text(weight), ", its gradient ",
          extents_text(dweight), " for x ", extents_text(x));
}

/// rms_norm(ctx, x, weight, eps, rounding, y, r)
///     r[t] = 1 / sqrt(mean(x[t]^2) + eps), y[t] = weight x[t] r[t]
/// rms_norm_backward(ctx, dy, x, weight, r, dx, dweight, add)
///     dx[t] = r (w dy - x r^2 mean(w dy x)), dweight (+)= sum_t dy x r; rounding is passed through
/// The weight may be empty (all ones); then dweight is ignored.
template <class Ctx, class T>
concept norm_ops = requires(Ctx& ctx, view<const T, 2> x, view<const T, 1> weight, view<T, 2> y,
                            view<T, 1> r, view<const T, 1> saved) {
  Ctx::backend::rms_norm(ctx, x, weight, 1e-5, norm_rounding::none, y, r);
  Ctx::backend::rms_norm_backward(ctx, x, x, weight, saved, y, r, accumulate::yes);
};

}  // namespace dsr1
