// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Contract: dense and grouped matrix products.
#pragma once

#include <dsr1/tensor/groups.hpp>
#include <dsr1/tensor/parameter.hpp>
#include <dsr1/tensor/view.hpp>

namespace dsr1 {

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
