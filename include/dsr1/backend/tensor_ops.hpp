// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Contract: moving and adding whole tensors.
#pragma once

#include <concepts>

#include <dsr1/core/random.hpp>
#include <dsr1/tensor/view.hpp>

namespace dsr1 {

/// expect_<operation>: what an operation of this group asks of its operands, the same of every
/// backend. Each throws `error` naming the extents that do not fit.
template <class T>
void expect_copy(const view<const T, 2>& from, const view<T, 2>& to) {
  expects(same_extents(from, to), "copy of ", extents_text(from), " to ", extents_text(to));
}
template <class T>
void expect_add(const view<const T, 2>& x, const view<T, 2>& y) {
  expects(same_extents(x, y), "add of ", extents_text(x), " to ", extents_text(y));
}
template <class T>
void expect_dot(const view<const T, 1>& x, const view<const T, 1>& y) {
  expects(x.rows() == y.rows(), "dot of ", x.rows(), " by ", y.rows(), " elements");
}

/// fill(ctx, x, v)        x = v
/// fill_normal(ctx, x, stream, deviation, first)   x[i] = deviation * stream.normal(first + i), the
///                        same values on every device
/// copy(ctx, from, to)    to = from, row by row; either may be a slice of columns
/// add(ctx, x, y)         y += x
/// scale(ctx, x, a)       x *= a
/// dot(ctx, x, y)         the sum of x[i] y[i] as a double on the host, in a fixed order
/// upload(ctx, host, x)   x = the elements at `host` (dense tensor)
/// download(ctx, x, host) the reverse; returns when the elements are there
template <class Ctx, class T>
concept tensor_ops = requires(Ctx& ctx, view<T, 1> flat, view<const T, 1> source,
                              view<const T, 2> x, view<T, 2> y, const T* from, T* to) {
  Ctx::backend::fill(ctx, flat, T{});
  Ctx::backend::fill_normal(ctx, flat, random_stream(0), double{}, index_t{});
  Ctx::backend::copy(ctx, x, y);
  Ctx::backend::add(ctx, x, y);
  Ctx::backend::scale(ctx, flat, T{});
  { Ctx::backend::dot(ctx, source, source) } -> std::same_as<double>;
  Ctx::backend::upload(ctx, from, flat);
  Ctx::backend::download(ctx, source, to);
};

}  // namespace dsr1
