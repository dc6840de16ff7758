// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Checks the backward pass of a layer against finite differences of its forward pass.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <dsr1/core/random.hpp>
#include <dsr1/nn/initialize.hpp>
#include <dsr1/tensor/sequences.hpp>

namespace dsr1::testing {

struct grad_check_options {
  double step = 1e-5;       ///< finite differences are central, with this step
  index_t per_tensor = 40;  ///< how many elements of each tensor are tried (all, if it has fewer)
  std::uint64_t seed = 1;   ///< picks the elements and the direction of the loss
};

/// The worst disagreement found: |analytic - numeric| / max(1, |analytic|, |numeric|).
struct grad_check_result {
  double error = 0;
  std::string tensor;  ///< "x", or the name of a parameter
  index_t element = 0;
  double analytic = 0;
  double numeric = 0;
  index_t checked = 0;

  std::string str() const {
    return text("worst of ", checked, ": ", tensor, "[", element, "] analytic ", analytic,
                " numeric ", numeric, " error ", error);
  }
};

namespace detail {

struct grad_checker {
  grad_check_options options;
  grad_check_result worst;

  template <class Loss>
  void tensor(const std::string& name, double* values, const double* gradient, index_t count,
              Loss&& loss) {
    const random_stream pick(options.seed, stream_of(name));
    const index_t tries = std::min(count, options.per_tensor);
    for (index_t n = 0; n < tries; ++n) {
      const index_t i = tries == count
                            ? n
                            : static_cast<index_t>(pick.below(static_cast<std::uint64_t>(n),
                                                              static_cast<std::uint64_t>(count)));
      const double kept = values[i];
      values[i] = kept + options.step;
      const double above = loss();
      values[i] = kept - options.step;
      const double below = loss();
      values[i] = kept;
      const double numeric = (above - below) / (2 * options.step);
      const double analytic = gradient ? gradient[i] : 0;
      double error =
          std::abs(analytic - numeric) / std::max({1.0, std::abs(analytic), std::abs(numeric)});
      if (!std::isfinite(error)) error = std::numeric_limits<double>::infinity();
      ++worst.checked;
      if (error >= worst.error) {
        worst.error = error;
        worst.tensor = name;
        worst.element = i;
        worst.analytic = analytic;
        worst.numeric = numeric;
      }
    }
  }
};

}  // namespace detail

/// Checks the gradients of `loss` with respect to the parameters of `layer` and to `x`.
/// `loss()` runs forward and returns the loss; `gradient()` runs forward and backward, and returns
/// the gradient with respect to x (as many elements as x, or null when x is empty).
template <class Layer, class Loss, class Gradient>
grad_check_result check_gradients(Layer& layer, view<double, 1> x, Loss&& loss, Gradient&& gradient,
                                  const grad_check_options& options = {}) {
  detail::grad_checker checker{options, {}};
  clear_gradients(layer);
  std::vector<double> dx(static_cast<std::size_t>(x.rows()));
  if (const double* from = gradient(); from && x.rows() > 0)
    std::copy_n(from, x.rows(), dx.begin());
  checker.tensor("x", x.data, dx.data(), x.rows(), loss);
  layer.for_each_parameter([&](const parameter_name& name, parameter<double>& p) {
    if (p.traits().update != update_rule::optimizer) return;
    const std::vector<double> analytic(p.gradients().begin(), p.gradients().end());
    checker.tensor(name.str(), p.values().data(), p.gradient_written() ? analytic.data() : nullptr,
                   p.size(), loss);
  });
  return checker.worst;
}

/// The same for a layer as the concept `layer` describes it, with the loss <y, r> for a random r,
/// plus whatever the layer adds to the context's auxiliary loss. The layer must be initialised.
template <class Ctx, class Layer>
grad_check_result check_gradients(Ctx& ctx, Layer& layer, view<double, 2> x,
                                  sequence_layout sequences,
                                  const grad_check_options& options = {}) {
  typename Layer::saved saved;
  const random_stream direction(options.seed, stream_of("direction"));
  std::vector<double> r;
  auto run = [&](bool backward) {
    ctx.workspace().reset();
    ctx.auxiliary().sum = 0;
    const auto y = layer.forward(ctx, activations<double>(x, sequences), saved);
    while (static_cast<index_t>(r.size()) < y.size()) r.push_back(direction.normal(r.size()));
    double loss = ctx.auxiliary().scale * ctx.auxiliary().sum;
    for (index_t i = 0; i < y.size(); ++i) loss += y.data[i] * r[static_cast<std::size_t>(i)];
    const double* dx = nullptr;
    if (backward)
      dx = layer.backward(ctx, view<const double, 2>(r.data(), y.rows(), y.columns()), saved).data;
    return std::pair(loss, dx);
  };
  return check_gradients(
      layer, x.flat(), [&] { return run(false).first; }, [&] { return run(true).second; }, options);
}

}  // namespace dsr1::testing
