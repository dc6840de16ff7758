// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Contract: gated linear units.
#pragma once

#include <limits>

#include <dsr1/tensor/view.hpp>

namespace dsr1 {

/// The gated activation of one pair (g, u):
///     g' = min(g, limit), u' = clamp(u, -limit, limit), y = g' sigmoid(alpha g') (u' + offset)
/// The gate is clamped from above only. Defaults are SwiGLU (Shazeer 2020, arXiv 2002.05202).
struct glu {
  double alpha = 1;
  double limit = std::numeric_limits<double>::infinity();
  double offset = 0;

  static constexpr glu swiglu() { return {}; }
  /// The clamped form of gpt-oss.
  static constexpr glu clamped_swiglu() { return {.alpha = 1.702, .limit = 7, .offset = 1}; }
};

/// expect_<operation>: what an operation of this group asks of its operands, the same of every
/// backend. Each throws `error` naming the extents that do not fit.
template <class T>
void expect_gated_unit(const view<const T, 2>& x, const view<T, 2>& y) {
  expects(x.rows() == y.rows() && x.columns() == 2 * y.columns(), "gated_unit of ", extents_text(x),
          " into ", extents_text(y), ", expected twice as many columns");
}
template <class T>
void expect_gated_unit_backward(const view<const T, 2>& dy, const view<const T, 2>& x,
                                const view<T, 2>& dx) {
  expects(same_extents(x, dx) && x.rows() == dy.rows() && x.columns() == 2 * dy.columns(),
          "gated_unit_backward of ", extents_text(dy), " for x ", extents_text(x), " into dx ",
          extents_text(dx));
}

/// gated_unit(ctx, f, x, y)               x [rows, 2 hidden] with g and u interleaved (g first),
///                                        y [rows, hidden]
/// gated_unit_backward(ctx, f, dy, x, dx) dx [rows, 2 hidden]; zero where a clamp holds
template <class Ctx, class T>
concept glu_ops = requires(Ctx& ctx, const glu& f, view<const T, 2> x, view<T, 2> y) {
  Ctx::backend::gated_unit(ctx, f, x, y);
  Ctx::backend::gated_unit_backward(ctx, f, x, x, y);
};

}  // namespace dsr1
