// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Contract: moving rows by index: embedding lookup, dispatch and combine of expert rows.
#pragma once

#include <cstdint>

#include <dsr1/tensor/view.hpp>

namespace dsr1 {

/// expect_<operation>: what an operation of this group asks of its operands, the same of every
/// backend. Each throws `error` naming the extents that do not fit. The numbers of rows are not
/// among them, since a device keeps them to itself.
template <class T>
void expect_gather_rows(const view<const T, 2>& x, const view<const std::int32_t, 1>& rows,
                        const view<T, 2>& y) {
  expects(rows.rows() == y.rows() && x.columns() == y.columns(), "gather_rows of ", rows.rows(),
          " rows from ", extents_text(x), " into ", extents_text(y));
}
template <class T>
void expect_scatter_add_rows(const view<const T, 2>& y, const view<const std::int32_t, 1>& rows,
                             const view<T, 2>& x) {
  expects(rows.rows() == y.rows() && x.columns() == y.columns(), "scatter_add_rows of ",
          extents_text(y), " at ", rows.rows(), " rows into ", extents_text(x));
}
template <class T>
void expect_combine_rows(const view<const T, 2>& x, const view<const std::int32_t, 2>& slots,
                         const view<const T, 2>& weights, const view<T, 2>& y) {
  expects(slots.rows() == y.rows() && x.columns() == y.columns() &&
              (weights.data == nullptr || same_extents(weights, slots)),
          "combine_rows of ", extents_text(x), " by slots ", extents_text(slots), " and weights ",
          extents_text(weights), " into ", extents_text(y));
}
template <class T>
void expect_combine_rows_backward(const view<const T, 2>& dy, const view<const T, 2>& x,
                                  const view<const std::int32_t, 2>& slots,
                                  const view<const T, 2>& weights, const view<T, 2>& dx,
                                  const view<T, 2>& dweights) {
  expects(slots.rows() == dy.rows() && x.columns() == dy.columns() && same_extents(x, dx) &&
              same_extents(weights, slots) && same_extents(weights, dweights),
          "combine_rows_backward of ", extents_text(dy), " by slots ", extents_text(slots),
          " and weights ", extents_text(weights), " for x ", extents_text(x), " into dx ",
          extents_text(dx), " and dweights ", extents_text(dweights));
}

/// gather_rows(ctx, x, rows, y)            y[i] = x[rows[i]], zero where rows[i] < 0
/// scatter_add_rows(ctx, y, rows, x)       x[rows[i]] += y[i], in the order of i; rows may repeat
/// combine_rows(ctx, x, slots, weights, y) y[t] = sum_j weights[t, j] x[slots[t, j]], in the order
///                                         of j; slots below zero are skipped; no weights = ones
/// combine_rows_backward(ctx, dy, x, slots, weights, dx, dweights)
///                                         dx[slots[t, j]] = weights[t, j] dy[t],
///                                         dweights[t, j] = <dy[t], x[slots[t, j]]>
/// Numbers in `rows` and `slots` must be below x.rows(). No backend checks them, because a device
/// would have to be waited for: who makes them, makes sure.
template <class Ctx, class T>
concept row_ops = requires(Ctx& ctx, view<const T, 2> x, view<T, 2> y,
                           view<const std::int32_t, 1> rows, view<const std::int32_t, 2> slots) {
  Ctx::backend::gather_rows(ctx, x, rows, y);
  Ctx::backend::scatter_add_rows(ctx, x, rows, y);
  Ctx::backend::combine_rows(ctx, x, slots, x, y);
  Ctx::backend::combine_rows_backward(ctx, x, x, slots, x, y, y);
};

}  // namespace dsr1
