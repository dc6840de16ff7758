// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The same kind of layer many times: one instantiation, whatever the depth.
#pragma once

#include <functional>
#include <vector>

#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/nn/concepts.hpp>
#include <dsr1/tensor/workspace.hpp>

namespace dsr1 {

/// y = L(... L(L(x))), N layers of one type with weights of their own; N may be `dynamic`.
/// The layers must keep the extents of x. Parameters are under the number of their layer.
template <class L, index_t N = dynamic>
class repeat {
 public:
  static constexpr std::string_view name = "layers";
  using number = typename L::number;

  struct saved {
    std::vector<typename L::saved> each;
  };

  /// All layers default-constructed; N must be fixed by the type.
  repeat()
    requires(N != dynamic)
      : repeat(N, [](index_t) { return L(); }) {}

  /// Layer i is make(i): different windows, say, under one type.
  template <class Make>
    requires std::is_invocable_r_v<L, Make, index_t>
  repeat(index_t count, Make&& make) {
    count = resolve_extent("repeat: layers", N, count);
    layers_.reserve(static_cast<std::size_t>(count));
    for (index_t i = 0; i < count; ++i) layers_.push_back(make(i));
  }

  index_t count() const { return static_cast<index_t>(layers_.size()); }
  L& operator[](index_t i) { return layers_[static_cast<std::size_t>(i)]; }

  template <class Ctx>
    requires tensor_ops<Ctx, number>
  view<number, 2> forward(Ctx& ctx, activations<number> x, saved& s) {
    s.each.resize(layers_.size());
    if (!ctx.inference()) {
      view<number, 2> y;
      for (std::size_t i = 0; i < layers_.size(); ++i) {
        y = layers_[i].forward(ctx, x, s.each[i]);
        x = activations<number>(y, x.sequences);
      }
      return y;
    }
    const auto y = ctx.template take<number>(x.rows(), x.columns());
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const workspace::scope scope(ctx.workspace());
      Ctx::backend::copy(ctx, view<const number, 2>(layers_[i].forward(ctx, x, s.each[i])), y);
      x = activations<number>(y, x.sequences);
    }
    return y;
  }

  /// The scratch of each layer's backward is given back before the next one runs.
  template <class Ctx>
    requires tensor_ops<Ctx, number>
  view<number, 2> backward(Ctx& ctx, view<const number, 2> dy, saved& s) {
    expects(s.each.size() == layers_.size(), "repeat: backward before forward");
    const auto dx = ctx.template take<number>(dy.rows(), dy.columns());
    for (std::size_t i = layers_.size(); i-- > 0; dy = dx) {
      const workspace::scope scope(ctx.workspace());
      Ctx::backend::copy(ctx, view<const number, 2>(layers_[i].backward(ctx, dy, s.each[i])), dx);
      announce_gradients(ctx, layers_[i]);
    }
    return dx;
  }

  template <class Ctx, class Options>
  void open_cache(Ctx& ctx, saved& s, const Options& options) {
    s.each.resize(layers_.size());
    for (std::size_t i = 0; i < layers_.size(); ++i)
      open_cache_of(layers_[i], ctx, s.each[i], options);
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    index_t i = 0;
    auto numbered = [&](const parameter_name& rest, parameter<number>& p) {
      visitor(parameter_name(i, rest), p);
    };
    for (; i < count(); ++i) (*this)[i].for_each_parameter(erased_visitor(numbered));
  }

 private:
  /// The layers compile once for all visitors.
  class erased_visitor {
   public:
    template <class F>
    explicit erased_visitor(F& f)
        : visitor_(&f), visit_([](void* to, const parameter_name& chain, parameter<number>& p) {
            (*static_cast<F*>(to))(chain, p);
          }) {}
    void operator()(const parameter_name& chain, parameter<number>& p) const {
      visit_(visitor_, chain, p);
    }

   private:
    void* visitor_;
    void (*visit_)(void*, const parameter_name&, parameter<number>&);
  };

  std::vector<L> layers_;
};

}  // namespace dsr1
