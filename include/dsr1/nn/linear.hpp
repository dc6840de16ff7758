// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The affine map of the last extent.
#pragma once

#include <dsr1/nn/product.hpp>

namespace dsr1 {

struct linear_shape {
  index_t in = dynamic;
  index_t out = dynamic;
  bool bias = false;
};

/// y = x W^T + b with W [out, in] as in published checkpoints; x [tokens, in], y [tokens, out].
/// Backward needs x: dx = dy W, dW += dy^T x, db += sum of the rows of dy.
/// Throws `error` when x or dy has another number of columns.
template <linear_shape Shape = linear_shape{}, class T = float>
class linear {
 public:
  static constexpr std::string_view name = "linear";
  using number = T;

  struct saved {
    view<const T, 2> x;
  };

  explicit linear(linear_shape given = Shape)
      : in_(resolve_extent("linear: in", Shape.in, given.in)),
        out_(resolve_extent("linear: out", Shape.out, given.out)),
        weight_({out_, in_}, {.init = initial::scaled(in_), .may_be_coded = true}) {
    if (given.bias || Shape.bias) bias_ = parameter<T>({out_});
  }

  index_t in() const { return in_; }
  index_t out() const { return out_; }
  parameter<T>& weight() { return weight_; }
  parameter<T>& bias() { return bias_; }

  template <class Ctx>
    requires linear_ops<Ctx, T>
  view<T, 2> forward(Ctx& ctx, view<const T, 2> x, saved& s) {
    expects(x.columns() == in_, "linear: x has ", x.columns(), " columns, expected ", in_);
    s.x = x;
    const auto y = ctx.template take<T>(x.rows(), out_);
    product(ctx, x, weight_, y, bias_view());
    return y;
  }

  template <class Ctx>
    requires linear_ops<Ctx, T>
  view<T, 2> backward(Ctx& ctx, view<const T, 2> dy, const saved& s) {
    expects(dy.columns() == out_ && dy.rows() == s.x.rows(), "linear: dy is ", extents_text(dy),
            ", expected [", s.x.rows(), ", ", out_, "]");
    const auto dx = ctx.template take<T>(dy.rows(), in_);
    Ctx::backend::matmul(ctx, matrix<const T>(dy), matrix<const T>(weight_.template value<2>()), dx,
                         accumulate::no, view<const T, 1>());
    Ctx::backend::matmul(ctx, transposed(dy), matrix<const T>(s.x), weight_.template gradient<2>(),
                         weight_.next_gradient(), view<const T, 1>());
    if (bias_.size() > 0)
      Ctx::backend::column_sum(ctx, dy, bias_.template gradient<1>(), bias_.next_gradient());
    return dx;
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    visitor(parameter_name("weight"), weight_);
    if (bias_.size() > 0) visitor(parameter_name("bias"), bias_);
  }

 private:
  view<const T, 1> bias_view() const {
    return bias_.size() > 0 ? bias_.template value<1>() : view<const T, 1>();
  }

  index_t in_;
  index_t out_;
  parameter<T> weight_;
  parameter<T> bias_;
};

}  // namespace dsr1
