// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Trades time for memory: keeps a layer's input and runs it again in backward.
#pragma once

#include <utility>

#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/nn/concepts.hpp>
#include <dsr1/tensor/workspace.hpp>

namespace dsr1 {

/// y = L(x), saving only x. Backward runs L forward once more, so it costs a third more time, and
/// gives the same bits as L. Chen et al. 2016, arXiv 1604.06174.
template <class L>
class recompute {
 public:
  static constexpr std::string_view name = L::name;
  using number = typename L::number;

  struct saved {
    activations<number> x;
    typename L::saved inner;  // meaningful only inside one call
  };

  recompute() = default;
  explicit recompute(L inner) : inner_(std::move(inner)) {}

  index_t dim() const { return inner_.dim(); }
  L& inner() { return inner_; }

  template <class Ctx>
    requires tensor_ops<Ctx, number>
  view<number, 2> forward(Ctx& ctx, activations<number> x, saved& s) {
    s.x = x;
    const auto y = ctx.template take<number>(x.rows(), x.columns());
    const workspace::scope scope(ctx.workspace());
    Ctx::backend::copy(ctx, view<const number, 2>(inner_.forward(ctx, x, s.inner)), y);
    return y;
  }

  template <class Ctx>
    requires tensor_ops<Ctx, number>
  view<number, 2> backward(Ctx& ctx, view<const number, 2> dy, saved& s) {
    const auto dx = ctx.template take<number>(s.x.rows(), s.x.columns());
    const workspace::scope scope(ctx.workspace());
    const double auxiliary = ctx.auxiliary().sum;  // was counted in forward
    inner_.forward(ctx, s.x, s.inner);
    ctx.auxiliary().sum = auxiliary;
    Ctx::backend::copy(ctx, view<const number, 2>(inner_.backward(ctx, dy, s.inner)), dx);
    return dx;
  }

  template <class Ctx, class Options>
  void open_cache(Ctx& ctx, saved& s, const Options& options) {
    open_cache_of(inner_, ctx, s.inner, options);
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    inner_.for_each_parameter(visitor);
  }

 private:
  L inner_;
};

}  // namespace dsr1
