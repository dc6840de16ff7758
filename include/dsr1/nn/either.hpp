// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// One of two layers, chosen when it is built.
#pragma once

#include <memory>
#include <utility>

#include <dsr1/nn/concepts.hpp>

namespace dsr1 {

/// y = A(x) or y = B(x): a stack whose first layers are dense and whose others have experts is
/// `repeat` of one type. The parameters are those of the layer that is there.
template <class A, class B>
class either {
  static_assert(std::is_same_v<typename A::number, typename B::number>,
                "both layers of an either must have the same number type");

 public:
  static constexpr std::string_view name = "either";
  using number = typename A::number;

  /// What the layer that is there saves; the other stays empty.
  struct saved {
    typename A::saved first;
    typename B::saved second;
  };

  explicit either(A layer) : first_(std::make_unique<A>(std::move(layer))) {}
  explicit either(B layer) : second_(std::make_unique<B>(std::move(layer))) {}

  index_t dim() const { return first_ ? first_->dim() : second_->dim(); }
  /// Null when the other is there.
  A* first() { return first_.get(); }
  B* second() { return second_.get(); }

  template <class Ctx>
  view<number, 2> forward(Ctx& ctx, activations<number> x, saved& s) {
    return first_ ? first_->forward(ctx, x, s.first) : second_->forward(ctx, x, s.second);
  }
  template <class Ctx>
  view<number, 2> backward(Ctx& ctx, view<const number, 2> dy, saved& s) {
    return first_ ? first_->backward(ctx, dy, s.first) : second_->backward(ctx, dy, s.second);
  }

  template <class Ctx, class Options>
  void open_cache(Ctx& ctx, saved& s, const Options& options) {
    if (first_)
      open_cache_of(*first_, ctx, s.first, options);
    else
      open_cache_of(*second_, ctx, s.second, options);
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    if (first_)
      first_->for_each_parameter(visitor);
    else
      second_->for_each_parameter(visitor);
  }

 private:
  std::unique_ptr<A> first_;
  std::unique_ptr<B> second_;
};

}  // namespace dsr1
