// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Layers one after the other.
#pragma once

#include <tuple>
#include <utility>

#include <dsr1/nn/concepts.hpp>

namespace dsr1 {

/// y = Ln(... L2(L1(x))). Saves what each layer saves; backward walks the tuple from the end.
/// A layer's parameters are under its name when all names differ, else under its number.
template <class... Layers>
class sequential {
  static_assert(sizeof...(Layers) > 0, "sequential needs at least one layer");

 public:
  static constexpr std::string_view name = "sequential";
  using number = typename std::tuple_element_t<0, std::tuple<Layers...>>::number;
  static_assert((std::is_same_v<number, typename Layers::number> && ...),
                "all layers of a sequential must have the same number type");
  static constexpr std::size_t count = sizeof...(Layers);

  struct saved {
    std::tuple<typename Layers::saved...> each;
  };

  sequential() = default;
  explicit sequential(Layers... layers)
    requires(sizeof...(Layers) > 0)
      : layers_(std::move(layers)...) {}

  template <std::size_t I>
  auto& get() {
    return std::get<I>(layers_);
  }

  template <class Ctx>
  view<number, 2> forward(Ctx& ctx, activations<number> x, saved& s) {
    return forward_from<0>(ctx, x, s);
  }

  template <class Ctx>
  view<number, 2> backward(Ctx& ctx, view<const number, 2> dy, saved& s) {
    return backward_from<count - 1>(ctx, dy, s);
  }

  template <class Ctx, class Options>
  void open_cache(Ctx& ctx, saved& s, const Options& options) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (open_cache_of(get<I>(), ctx, std::get<I>(s.each), options), ...);
    }(std::make_index_sequence<count>());
  }

  template <class Visitor>
  void for_each_parameter(Visitor&& visitor) {
    visit_from<0>(visitor);
  }

 private:
  template <std::size_t I, class Ctx>
  view<number, 2> forward_from(Ctx& ctx, activations<number> x, saved& s) {
    const view<number, 2> y = get<I>().forward(ctx, x, std::get<I>(s.each));
    if constexpr (I + 1 == count)
      return y;
    else
      return forward_from<I + 1>(ctx, activations<number>(y, x.sequences), s);
  }

  template <std::size_t I, class Ctx>
  view<number, 2> backward_from(Ctx& ctx, view<const number, 2> dy, saved& s) {
    const view<number, 2> dx = get<I>().backward(ctx, dy, std::get<I>(s.each));
    announce_gradients(ctx, get<I>());
    if constexpr (I == 0)
      return dx;
    else
      return backward_from<I - 1>(ctx, dx, s);
  }

  static constexpr bool names_differ() {
    const std::string_view names[] = {Layers::name...};
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (names[i] == names[j]) return false;
    return true;
  }

  template <std::size_t I, class Visitor>
  void visit_from(Visitor& visitor) {
    using layer_type = std::tuple_element_t<I, std::tuple<Layers...>>;
    if constexpr (names_differ()) {
      visit_under(layer_type::name, get<I>(), visitor);
    } else {
      get<I>().for_each_parameter([&](const parameter_name& rest, auto& p) {
        visitor(parameter_name(static_cast<index_t>(I), rest), p);
      });
    }
    if constexpr (I + 1 < count) visit_from<I + 1>(visitor);
  }

  std::tuple<Layers...> layers_;
};

}  // namespace dsr1
