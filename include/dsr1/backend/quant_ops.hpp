// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Contract: products with weights that stay coded.
#pragma once

#include <cstdint>

#include <dsr1/tensor/coded.hpp>
#include <dsr1/tensor/groups.hpp>
#include <dsr1/tensor/view.hpp>

namespace dsr1 {

/// expect_<operation>: what an operation of this group asks of its operands, the same of every
/// backend. Each throws `error` naming the extents that do not fit.
template <class T>
void expect_coded_matmul(const view<const T, 2>& x, const row_groups& groups, const coded_tensor& w,
                         const view<T, 2>& y, const view<const T, 2>& bias) {
  expects(x.columns() == w.columns && y.columns() == w.rows && w.matrices == groups.count() &&
              x.rows() == groups.rows() && y.rows() == groups.rows(),
          "coded_matmul of ", extents_text(x), " by ", w.text(), " into ", extents_text(y),
          " with ", groups.count(), " groups over ", groups.rows(), " rows");
  expects(bias.data == nullptr || (bias.rows() == groups.count() && bias.columns() == w.rows),
          "coded_matmul: the bias is ", extents_text(bias), ", expected [", groups.count(), ", ",
          w.rows, "]");
}
template <class T>
void expect_coded_rows(const coded_tensor& w, const view<const std::int32_t, 1>& rows,
                       const view<T, 2>& y) {
  expects(y.rows() == rows.rows() && y.columns() == w.columns, "coded_rows: ", rows.rows(),
          " rows of ", w.text(), " into ", extents_text(y));
}
/// Of one number in `rows`.
inline void expect_coded_row(const coded_tensor& w, std::int32_t row) {
  expects(row >= 0 && row < w.rows, "coded_rows: row ", row, " of ", w.text());
}

/// coded_matmul(ctx, x, groups, w, y, bias)
///     y[rows of g] = x[rows of g] w[g]^T + bias[g]; x [tokens, w.columns], y [tokens, w.rows],
///     bias [groups, w.rows] or empty. The weights are the decoded numbers (in fp8 the product of
///     code and scale, rounded to float); the arithmetic is that of T unless the context rounds
///     activations (backend/options.hpp), and a row of y does not depend on the other rows of the
///     call.
/// coded_rows(ctx, w, rows, y)   y[i] = row rows[i] of matrix 0 of w, decoded
/// Both read what `resident` of backend/residence_ops.hpp returns. Both throw `error` naming the
/// extents that do not fit, coded_rows also a row that w has not.
template <class Ctx, class T>
concept quant_ops = requires(Ctx& ctx, view<const T, 2> x, view<T, 2> y, const coded_tensor& w,
                             const row_groups& groups, view<const std::int32_t, 1> rows) {
  Ctx::backend::coded_matmul(ctx, x, groups, w, y, x);
  Ctx::backend::coded_rows(ctx, w, rows, y);
};

}  // namespace dsr1
