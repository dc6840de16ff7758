// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// y = x + f(x), and the same with a norm before f.
#pragma once

#include <utility>

#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/nn/concepts.hpp>
#include <dsr1/nn/rms_norm.hpp>

namespace dsr1 {

/// y = x + L(x). Adds nothing to what L saves; transparent in the names of parameters.
template <class L>
class residual {
 public:
  static constexpr std::string_view name = L::name;
  using number = typename L::number;
  using saved = typename L::saved;

  residual() = default;
  explicit residual(L inner) : inner_(std::move(inner)) {}

  index_t dim() const { return inner_.dim(); }
  L& inner() { return inner_; }

  template <class Ctx>
    requires tensor_ops<Ctx, number>
  view<number, 2> forward(Ctx& ctx, activations<number> x, saved& s) {
    const auto y = inner_.forward(ctx, x, s);
    Ctx::backend::add(ctx, x, y);
    return y;
  }

  template <class Ctx>
    requires tensor_ops<Ctx, number>
  view<number, 2> backward(Ctx& ctx, view<const number, 2> dy, saved& s) {
    const auto dx = inner_.backward(ctx, dy, s);
    Ctx::backend::add(ctx, dy, dx);
    return dx;
  }

  template <class Ctx, class Options>
  void open_cache(Ctx& ctx, saved& s, const Options& options) {
    open_cache_of(inner_, ctx, s, options);
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    inner_.for_each_parameter(visitor);
  }

 private:
  L inner_;
};

/// y = L(rms_norm(x)). The parameters of L keep L's name, those of the norm are under "norm".
template <class L>
class pre_norm {
 public:
  static constexpr std::string_view name = L::name;
  using number = typename L::number;
  using norm_type = rms_norm<rms_norm_shape{}, number>;

  struct saved {
    typename norm_type::saved norm;
    typename L::saved inner;
  };

  explicit pre_norm(L inner = L(), rms_norm_options options = {})
      : norm_(rms_norm_shape{.dim = inner.dim()}, options), inner_(std::move(inner)) {}

  index_t dim() const { return inner_.dim(); }
  L& inner() { return inner_; }

  template <class Ctx>
  view<number, 2> forward(Ctx& ctx, activations<number> x, saved& s) {
    const auto h = norm_.forward(ctx, x, s.norm);
    return inner_.forward(ctx, activations<number>(h, x.sequences), s.inner);
  }

  template <class Ctx>
  view<number, 2> backward(Ctx& ctx, view<const number, 2> dy, saved& s) {
    return norm_.backward(ctx, inner_.backward(ctx, dy, s.inner), s.norm);
  }

  template <class Ctx, class Options>
  void open_cache(Ctx& ctx, saved& s, const Options& options) {
    open_cache_of(inner_, ctx, s.inner, options);
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    visit_under("norm", norm_, visitor);
    inner_.for_each_parameter(visitor);
  }

 private:
  norm_type norm_;
  L inner_;
};

}  // namespace dsr1
