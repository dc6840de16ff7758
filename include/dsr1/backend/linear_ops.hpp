// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Contract: dense and grouped matrix products.
#pragma once

#include <dsr1/tensor/groups.hpp>
#include <dsr1/tensor/parameter.hpp>
#include <dsr1/tensor/view.hpp>

namespace dsr1 {

/// expect_<operation>: what an operation of this group asks of its operands, the same of every
/// backend. Each throws `error` naming the extents that do not fit.
template <class T>
void expect_matmul(const matrix<const T>& a, const matrix<const T>& b, const view<T, 2>& c,
                   const view<const T, 1>& bias) {
  expects(a.columns == b.rows && c.rows() == a.rows && c.columns() == b.columns, "matmul of [",
          a.rows, ", ", a.columns, "] by [", b.rows, ", ", b.columns, "] into ", extents_text(c));
  expects(bias.data == nullptr || bias.rows() == c.columns(), "matmul: the bias has ", bias.rows(),
          " elements, the result has ", c.columns(), " columns");
}
template <class T>
void expect_column_sum(const view<const T, 2>& x, const view<T, 1>& y) {
  expects(x.columns() == y.rows(), "column_sum of ", extents_text(x), " into ", extents_text(y));
}
template <class T>
void expect_m_grouped_matmul(const view<const T, 2>& a, const row_groups& groups,
                             const view<const T, 3>& b, bool transpose_b, const view<T, 2>& c,
                             const view<const T, 2>& bias) {
  const index_t inner = b.extents[transpose_b ? 2 : 1], outer = b.extents[transpose_b ? 1 : 2];
  expects(a.columns() == inner && c.columns() == outer && b.extents[0] == groups.count() &&
              a.rows() == groups.rows() && c.rows() == groups.rows(),
          "m_grouped_matmul of ", extents_text(a), " by ", extents_text(b),
          transpose_b ? " transposed" : "", " into ", extents_text(c), " with ", groups.count(),
          " groups over ", groups.rows(), " rows");
  expects(bias.data == nullptr || (bias.rows() == groups.count() && bias.columns() == outer),
          "m_grouped_matmul: the bias is ", extents_text(bias), ", expected [", groups.count(),
          ", ", outer, "]");
}
template <class T>
void expect_k_grouped_matmul(const view<const T, 2>& a, const view<const T, 2>& b,
                             const row_groups& groups, const view<T, 3>& c) {
  expects(c.extents[0] == groups.count() && c.extents[1] == a.columns() &&
              c.extents[2] == b.columns() && a.rows() == groups.rows() && b.rows() == groups.rows(),
          "k_grouped_matmul of ", extents_text(a), " by ", extents_text(b), " into ",
          extents_text(c), " with ", groups.count(), " groups over ", groups.rows(), " rows");
}
template <class T>
void expect_grouped_column_sum(const view<const T, 2>& x, const row_groups& groups,
                               const view<T, 2>& y) {
  expects(y.rows() == groups.count() && y.columns() == x.columns() && x.rows() == groups.rows(),
          "grouped_column_sum of ", extents_text(x), " into ", extents_text(y), " with ",
          groups.count(), " groups over ", groups.rows(), " rows");
}

/// matmul(ctx, a, b, c, add, bias)      c[m, n] (+)= a[m, k] b[k, n] + bias[n]; bias only without
/// add column_sum(ctx, x, y, add)           y[n] (+)= sum over rows of x[m, n]
/// m_grouped_matmul(ctx, a, groups, b, transpose, c, bias)
///                                      c[rows of g] = a[rows of g] b[g] (or b[g]^T) + bias[g]
/// k_grouped_matmul(ctx, a, b, groups, c, add)
///                                      c[g] (+)= a[rows of g]^T b[rows of g]; 0 for an empty group
/// grouped_column_sum(ctx, x, groups, y, add)
///                                      y[g] (+)= sum over the rows of g
/// All throw `error` naming the extents that do not fit. A row of a product does not depend on the
/// other rows of the call, so one token and a batch give the same bits.
template <class Ctx, class T>
concept linear_ops =
    requires(Ctx& ctx, matrix<const T> m, view<T, 2> c, view<const T, 2> x, view<T, 1> y,
             view<const T, 1> bias, view<const T, 3> b, view<T, 3> w, const row_groups& groups) {
      Ctx::backend::matmul(ctx, m, m, c, accumulate::no, bias);
      Ctx::backend::column_sum(ctx, x, y, accumulate::yes);
      Ctx::backend::m_grouped_matmul(ctx, x, groups, b, true, c, x);
      Ctx::backend::k_grouped_matmul(ctx, x, x, groups, w, accumulate::yes);
      Ctx::backend::grouped_column_sum(ctx, x, groups, c, accumulate::yes);
    };

}  // namespace dsr1
