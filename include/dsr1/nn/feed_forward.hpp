// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The dense feed-forward block with a gated unit.
#pragma once

#include <dsr1/backend/glu_ops.hpp>
#include <dsr1/nn/linear.hpp>

namespace dsr1 {

struct feed_forward_shape {
  index_t dim = dynamic;
  index_t hidden = dynamic;
  bool bias = false;
};

/// y = W_down glu(W_up x), where W_up [2 hidden, dim] holds the rows of gate and linear part
/// interleaved (gate first), and W_down is [dim, hidden]; x, y [tokens, dim].
template <feed_forward_shape Shape = feed_forward_shape{}, class T = float>
class feed_forward {
 public:
  static constexpr std::string_view name = "feed_forward";
  using number = T;

  struct saved {
    typename linear<linear_shape{}, T>::saved up, down;
    view<const T, 2> gate_up;
  };

  explicit feed_forward(feed_forward_shape given = Shape, glu unit = glu::swiglu())
      : dim_(resolve_extent("feed_forward: dim", Shape.dim, given.dim)),
        hidden_(resolve_extent("feed_forward: hidden", Shape.hidden, given.hidden)),
        unit_(unit),
        up_({.in = dim_, .out = 2 * hidden_, .bias = Shape.bias || given.bias}),
        down_({.in = hidden_, .out = dim_, .bias = Shape.bias || given.bias}) {}

  index_t dim() const { return dim_; }

  template <class Ctx>
    requires linear_ops<Ctx, T> && glu_ops<Ctx, T>
  view<T, 2> forward(Ctx& ctx, view<const T, 2> x, saved& s) {
    s.gate_up = up_.forward(ctx, x, s.up);
    const auto h = ctx.template take<T>(x.rows(), hidden_);
    Ctx::backend::gated_unit(ctx, unit_, s.gate_up, h);
    return down_.forward(ctx, h, s.down);
  }

  template <class Ctx>
    requires linear_ops<Ctx, T> && glu_ops<Ctx, T>
  view<T, 2> backward(Ctx& ctx, view<const T, 2> dy, const saved& s) {
    const auto dh = down_.backward(ctx, dy, s.down);
    const auto dgate_up = ctx.template take<T>(dy.rows(), 2 * hidden_);
    Ctx::backend::gated_unit_backward(ctx, unit_, view<const T, 2>(dh), s.gate_up, dgate_up);
    return up_.backward(ctx, dgate_up, s.up);
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    visit_under("up", up_, visitor);
    visit_under("down", down_, visitor);
  }

 private:
  index_t dim_;
  index_t hidden_;
  glu unit_;
  linear<linear_shape{}, T> up_;
  linear<linear_shape{}, T> down_;
};

}  // namespace dsr1
