// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Root-mean-square normalisation of each token.
#pragma once

#include <dsr1/backend/norm_ops.hpp>
#include <dsr1/nn/concepts.hpp>

namespace dsr1 {

struct rms_norm_shape {
  index_t dim = dynamic;
};

struct rms_norm_options {
  double eps = 1e-5;
  norm_rounding rounding = norm_rounding::none;
};

/// y = w x / sqrt(mean(x^2) + eps) over the last extent; x, y [tokens, dim]; w starts at one.
/// Backward needs x and the reciprocal root of each token. Zhang and Sennrich 2019, arXiv
/// 1910.07467.
template <rms_norm_shape Shape = rms_norm_shape{}, class T = float>
class rms_norm {
 public:
  static constexpr std::string_view name = "norm";
  using number = T;

  struct saved {
    view<const T, 2> x;
    view<const T, 1> inverse;
  };

  explicit rms_norm(rms_norm_shape given = Shape, rms_norm_options options = {})
      : dim_(resolve_extent("rms_norm: dim", Shape.dim, given.dim)),
        options_(options),
        weight_({dim_}, {.init = initial::ones()}) {
    expects(options.eps >= 0, "rms_norm: eps is ", options.eps, ", expected none below zero");
  }

  template <class Ctx>
    requires norm_ops<Ctx, T>
  view<T, 2> forward(Ctx& ctx, view<const T, 2> x, saved& s) {
    expects(x.columns() == dim_, "rms_norm: x has ", x.columns(), " columns, expected ", dim_);
    const auto y = ctx.template take<T>(x.rows(), dim_);
    const auto inverse = ctx.template take<T>(x.rows());
    Ctx::backend::rms_norm(ctx, x, view<const T, 1>(weight_.template value<1>()), options_.eps,
                           options_.rounding, y, inverse);
    s = {x, inverse};
    return y;
  }

  template <class Ctx>
    requires norm_ops<Ctx, T>
  view<T, 2> backward(Ctx& ctx, view<const T, 2> dy, const saved& s) {
    expects(same_extents(dy, s.x), "rms_norm: dy is ", extents_text(dy), ", expected ",
            extents_text(s.x));
    const auto dx = ctx.template take<T>(dy.rows(), dim_);
    Ctx::backend::rms_norm_backward(ctx, dy, s.x, view<const T, 1>(weight_.template value<1>()),
                                    s.inverse, dx, weight_.template gradient<1>(),
                                    weight_.next_gradient());
    return dx;
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    visitor(parameter_name("weight"), weight_);
  }

 private:
  index_t dim_;
  rms_norm_options options_;
  parameter<T> weight_;
};

}  // namespace dsr1
