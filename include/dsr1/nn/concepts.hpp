// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What a layer is.
#pragma once

#include <concepts>
#include <string_view>

#include <dsr1/tensor/parameter.hpp>
#include <dsr1/tensor/sequences.hpp>

namespace dsr1 {

/// Stands for any visitor of parameters in the concept below.
struct any_visitor {
  template <class T>
  void operator()(const parameter_name&, parameter<T>&) const {}
};

/// A layer of number type T on the context type Ctx.
///
/// y  = layer.forward(ctx, x, saved)    x [tokens, dim in], y [tokens, dim out]
/// dx = layer.backward(ctx, dy, saved)  of the same sizes
/// layer.for_each_parameter(visitor)    visitor(name, parameter), always in the same order
///
/// `saved` is all that backward needs from forward; it holds views into the workspace, so both
/// calls belong between two resets of it. Results are fresh memory that the caller may change.
/// Gradients of parameters accumulate; gradients of activations are written. `name` is the
/// layer's segment in the names of its parameters.
template <class L, class Ctx, class T>
concept layer =
    requires(L l, Ctx& ctx, activations<T> x, view<const T, 2> dy, typename L::saved& saved) {
      { L::name } -> std::convertible_to<std::string_view>;
      { l.forward(ctx, x, saved) } -> std::same_as<view<T, 2>>;
      { l.backward(ctx, dy, saved) } -> std::same_as<view<T, 2>>;
      l.for_each_parameter(any_visitor{});
    };

/// Opens the key-value cache of a layer that has one; layers without state do nothing.
template <class L, class Ctx, class Options>
void open_cache_of(L& layer, Ctx& ctx, typename L::saved& saved, const Options& options) {
  if constexpr (requires { layer.open_cache(ctx, saved, options); })
    layer.open_cache(ctx, saved, options);
}

/// Tells the context's listener, if there is one, that backward has finished with a layer.
template <class Ctx, class L>
void announce_gradients(Ctx& ctx, L& layer) {
  if constexpr (requires { ctx.listener(); })
    if (ctx.listener() != nullptr)
      layer.for_each_parameter([&](const parameter_name&, auto& p) { ctx.listener()->ready(&p); });
}

/// Visits the parameters of a member layer under its name.
template <class L, class Visitor>
void visit_under(std::string_view segment, L& layer, Visitor&& visitor) {
  layer.for_each_parameter(
      [&](const parameter_name& name, auto& p) { visitor(parameter_name(segment, name), p); });
}

}  // namespace dsr1
