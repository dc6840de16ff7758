// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Contract: moving and adding whole tensors.
#pragma once

#include <concepts>

#include <dsr1/core/random.hpp>
#include <dsr1/tensor/view.hpp>

namespace dsr1 {

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
