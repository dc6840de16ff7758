// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Contract: moving rows by index: embedding lookup, dispatch and combine of expert rows.
#pragma once

#include <cstdint>

#include <dsr1/tensor/view.hpp>

namespace dsr1 {

/// gather_rows(ctx, x, rows, y)            y[i] = x[rows[i]], zero where rows[i] < 0
/// scatter_add_rows(ctx, y, rows, x)       x[rows[i]] += y[i], in the order of i; rows may repeat
/// combine_rows(ctx, x, slots, weights, y) y[t] = sum_j weights[t, j] x[slots[t, j]], in the order
///                                         of j; slots below zero are skipped; no weights = ones
/// combine_rows_backward(ctx, dy, x, slots, weights, dx, dweights)
///                                         dx[slots[t, j]] = weights[t, j] dy[t],
///                                         dweights[t, j] = <dy[t], x[slots[t, j]]>
template <class Ctx, class T>
concept row_ops = requires(Ctx& ctx, view<const T, 2> x, view<T, 2> y,
                           view<const std::int32_t, 1> rows, view<const std::int32_t, 2> slots) {
  Ctx::backend::gather_rows(ctx, x, rows, y);
  Ctx::backend::scatter_add_rows(ctx, x, rows, y);
  Ctx::backend::combine_rows(ctx, x, slots, x, y);
  Ctx::backend::combine_rows_backward(ctx, x, x, slots, x, y, y);
};

}  // namespace dsr1
