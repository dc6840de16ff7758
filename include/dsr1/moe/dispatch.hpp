// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// From choices to rows sorted by expert, and back.
#pragma once

#include <cmath>
#include <vector>

#include <dsr1/backend/routing_ops.hpp>
#include <dsr1/backend/row_ops.hpp>

namespace dsr1 {

/// Limits the tokens of an expert to ceil(tokens k / experts * factor); 0 drops nothing.
/// A dropped token gets nothing from that expert; its other weights stay as they are.
struct capacity {
  double factor = 0;
  drop_rule rule = drop_rule::by_weight;

  index_t limit(index_t choices, index_t experts) const {
    return static_cast<index_t>(
        std::ceil(static_cast<double>(choices) / static_cast<double>(experts) * factor));
  }
};

/// The plan of one exchange between tokens and experts, reusable in both directions:
///     rows = dispatch(tokens), tokens = combine(rows, weights), and their backward passes.
struct dispatch_plan {
  view<const std::int32_t, 1> order;  ///< token of each row
  view<const std::int32_t, 2> slots;  ///< row of each choice [tokens, k], -1 where dropped
  std::vector<index_t> ends;          ///< end of each expert's rows

  row_groups groups() const { return row_groups(ends); }
  index_t rows() const { return ends.empty() ? 0 : ends.back(); }

  /// Plans for the choices index [tokens, k] among `experts`; -1 means no choice.
  template <class Ctx>
  void make(Ctx& ctx, view<const std::int32_t, 2> index, index_t experts) {
    ends.resize(static_cast<std::size_t>(experts));
    const auto rows = ctx.template take<std::int32_t>(index.size());
    const auto table = ctx.template take<std::int32_t>(index.rows(), index.columns());
    Ctx::backend::sort_by_expert(ctx, index, ends, rows, table);
    order = rows.slice_rows(0, ends.back());
    slots = table;
  }

  /// y[r] = x[order[r]], [rows, dim]. Its backward is `combine` without weights.
  template <class Ctx, class T>
    requires row_ops<Ctx, T>
  view<T, 2> dispatch(Ctx& ctx, view<const T, 2> x) const {
    const auto y = ctx.template take<T>(rows(), x.columns());
    Ctx::backend::gather_rows(ctx, x, order, y);
    return y;
  }

  /// y[t] = sum_j weights[t, j] x[slots[t, j]], [tokens, dim]; empty weights count as ones.
  template <class Ctx, class T>
    requires row_ops<Ctx, T>
  view<T, 2> combine(Ctx& ctx, view<const T, 2> x, view<const T, 2> weights = {}) const {
    const auto y = ctx.template take<T>(slots.rows(), x.columns());
    Ctx::backend::combine_rows(ctx, x, slots, weights, y);
    return y;
  }
};

}  // namespace dsr1
