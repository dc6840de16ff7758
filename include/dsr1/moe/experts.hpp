// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The experts of a layer as one grouped layer.
#pragma once

#include <dsr1/backend/glu_ops.hpp>
#include <dsr1/nn/product.hpp>

namespace dsr1 {

/// The sizes that an expert layer is built with.
struct expert_shape {
  index_t dim = dynamic;
  index_t hidden = dynamic;
  index_t experts = dynamic;
  bool bias = false;
};

/// y[rows of e] = W_down[e] glu(W_up[e] x[rows of e] + b_up[e]) + b_down[e], rows sorted by expert.
/// W_up [experts, 2 hidden, dim] holds gate and linear rows interleaved (gate first), W_down
/// [experts, dim, hidden]; x, y [rows, dim]. Experts without rows get a zero gradient.
template <class T = float>
class glu_experts {
 public:
  using number = T;

  struct saved {
    view<const T, 2> x, gate_up, h;
  };

  explicit glu_experts(expert_shape shape, glu unit = glu::swiglu())
      : shape_(shape),
        unit_(unit),
        up_({shape.experts, 2 * shape.hidden, shape.dim},
            {.init = initial::scaled(shape.dim), .per_expert = true, .may_be_coded = true}),
        down_({shape.experts, shape.dim, shape.hidden},
              {.init = initial::scaled(shape.hidden), .per_expert = true, .may_be_coded = true}) {
    if (!shape.bias) return;
    up_bias_ = parameter<T>({shape.experts, 2 * shape.hidden}, {.per_expert = true});
    down_bias_ = parameter<T>({shape.experts, shape.dim}, {.per_expert = true});
  }

  parameter<T>& up() { return up_; }
  parameter<T>& down() { return down_; }
  parameter<T>& up_bias() { return up_bias_; }
  parameter<T>& down_bias() { return down_bias_; }

  template <class Ctx>
    requires linear_ops<Ctx, T> && glu_ops<Ctx, T>
  view<T, 2> forward(Ctx& ctx, view<const T, 2> x, const row_groups& groups, saved& s) {
    s.x = x;
    if constexpr (requires { ctx.experts(); })
      if (ctx.experts() != nullptr) ctx.experts()->about_to_use(&up_, groups);
    const auto gate_up = ctx.template take<T>(x.rows(), 2 * shape_.hidden);
    grouped_product(ctx, x, groups, up_, gate_up, bias_of(up_bias_));
    const auto h = ctx.template take<T>(x.rows(), shape_.hidden);
    Ctx::backend::gated_unit(ctx, unit_, view<const T, 2>(gate_up), h);
    const auto y = ctx.template take<T>(x.rows(), shape_.dim);
    grouped_product(ctx, view<const T, 2>(h), groups, down_, y, bias_of(down_bias_));
    s.gate_up = gate_up;
    s.h = h;
    return y;
  }

  template <class Ctx>
    requires linear_ops<Ctx, T> && glu_ops<Ctx, T>
  view<T, 2> backward(Ctx& ctx, view<const T, 2> dy, const row_groups& groups, const saved& s) {
    const auto dh = ctx.template take<T>(dy.rows(), shape_.hidden);
    Ctx::backend::m_grouped_matmul(ctx, dy, groups, view<const T, 3>(down_.template value<3>()),
                                   false, dh, view<const T, 2>());
    Ctx::backend::k_grouped_matmul(ctx, dy, s.h, groups, down_.template gradient<3>(),
                                   down_.next_gradient());
    const auto dgate_up = ctx.template take<T>(dy.rows(), 2 * shape_.hidden);
    Ctx::backend::gated_unit_backward(ctx, unit_, view<const T, 2>(dh), s.gate_up, dgate_up);
    const auto dx = ctx.template take<T>(dy.rows(), shape_.dim);
    Ctx::backend::m_grouped_matmul(ctx, view<const T, 2>(dgate_up), groups,
                                   view<const T, 3>(up_.template value<3>()), false, dx,
                                   view<const T, 2>());
    Ctx::backend::k_grouped_matmul(ctx, view<const T, 2>(dgate_up), s.x, groups,
                                   up_.template gradient<3>(), up_.next_gradient());
    if (shape_.bias) {
      Ctx::backend::grouped_column_sum(ctx, dy, groups, down_bias_.template gradient<2>(),
                                       down_bias_.next_gradient());
      Ctx::backend::grouped_column_sum(ctx, view<const T, 2>(dgate_up), groups,
                                       up_bias_.template gradient<2>(), up_bias_.next_gradient());
    }
    return dx;
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    visitor(parameter_name("up"), up_);
    visitor(parameter_name("down"), down_);
    if (!shape_.bias) return;
    visitor(parameter_name("up_bias"), up_bias_);
    visitor(parameter_name("down_bias"), down_bias_);
  }

 private:
  view<const T, 2> bias_of(parameter<T>& b) const {
    return shape_.bias ? b.template value<2>() : view<T, 2>();
  }

  expert_shape shape_;
  glu unit_;
  parameter<T> up_, down_, up_bias_, down_bias_;
};

}  // namespace dsr1
