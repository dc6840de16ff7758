// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Auxiliary-loss-free balancing: moves the bias of every gate after a step.
#pragma once

#include <cmath>
#include <vector>

#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/tensor/parameter_list.hpp>

namespace dsr1 {

struct balance_options {
  bool centre = false;  ///< subtract the mean of the bias: only differences matter, no drift
  double rate = 1;      ///< multiplies the rate of every layer; 0 freezes the biases
};

/// b += rate sign(mean load - load) for every parameter under update_rule::balance, from the counts
/// of the whole step that its gradient holds (on several ranks, `all_reduce` them first); the rate
/// is traits().rate. Wang et al. 2024, arXiv 2408.15664; DeepSeek-V3, section 2.1.2. Does nothing
/// to a layer that saw no token. The counts stay until the gradients are cleared.
/// Throws `error` naming the parameter when a count is not finite or below zero.
template <class Ctx, class T>
void update_balance(Ctx& ctx, const parameter_list<T>& parameters,
                    const balance_options& options = {}) {
  thread_local std::vector<T> counts, bias;
  for (const auto& [name, p] : parameters) {
    if (p->traits().update != update_rule::balance || !p->gradient_written()) continue;
    const auto n = static_cast<std::size_t>(p->size());
    counts.resize(n);
    bias.resize(n);
    Ctx::backend::download(ctx, view<const T, 1>(p->template gradient<1>()), counts.data());
    Ctx::backend::download(ctx, view<const T, 1>(p->template value<1>()), bias.data());
    double sum = 0, centre = 0;
    for (const T c : counts) {
      expects(std::isfinite(c) && c >= 0, "the balance of ", name, ": an expert counts ", c,
              " tokens, expected a number of at least 0");
      sum += static_cast<double>(c);
    }
    if (sum == 0) continue;
    // Whole numbers compare exactly as n * count with their sum; a mean would be rounded.
    const T step = static_cast<T>(p->traits().rate * options.rate);
    for (std::size_t e = 0; e < n; ++e) {
      const double gap = sum - static_cast<double>(n) * static_cast<double>(counts[e]);
      bias[e] += gap > 0 ? step : gap < 0 ? -step : T(0);
      centre += static_cast<double>(bias[e]);
    }
    if (options.centre)
      for (T& b : bias)
        b = static_cast<T>(static_cast<double>(b) - centre / static_cast<double>(n));
    Ctx::backend::upload(ctx, static_cast<const T*>(bias.data()), p->template value<1>());
  }
}

}  // namespace dsr1
