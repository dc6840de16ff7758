// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Products with a weight, whether it is plain or coded.
#pragma once

#include <dsr1/backend/linear_ops.hpp>
#include <dsr1/backend/quant_ops.hpp>
#include <dsr1/nn/concepts.hpp>

namespace dsr1 {

/// y[rows of g] = x[rows of g] w[g]^T + bias[g]; x [rows, in], w [groups, out, in], y [rows, out].
/// A backend without `quant_ops` refuses coded weights.
template <class Ctx, class T>
  requires linear_ops<Ctx, T>
void grouped_product(Ctx& ctx, view<const T, 2> x, const row_groups& groups, const parameter<T>& w,
                     view<T, 2> y, view<const T, 2> bias = {}) {
  if (const coded_tensor* codes = w.coded()) {
    if constexpr (quant_ops<Ctx, T>)
      return Ctx::backend::coded_matmul(ctx, x, groups, *codes, y, bias);
    expects(false, "this backend has no products with coded weights (", codes->text(), ")");
  }
  Ctx::backend::m_grouped_matmul(ctx, x, groups, w.template value<3>(), true, y, bias);
}

/// y = x w^T + bias; x [rows, in], w [out, in], y [rows, out].
template <class Ctx, class T>
  requires linear_ops<Ctx, T>
void product(Ctx& ctx, view<const T, 2> x, const parameter<T>& w, view<T, 2> y,
             view<const T, 1> bias = {}) {
  if (w.coded()) {
    const index_t ends[] = {x.rows()};
    const auto row = bias.data ? bias.reshaped(index_t{1}, bias.rows()) : view<const T, 2>();
    return grouped_product(ctx, x, row_groups(ends), w, y, row);
  }
  Ctx::backend::matmul(ctx, matrix<const T>(x), transposed(w.template value<2>()), y,
                       accumulate::no, bias);
}

}  // namespace dsr1
