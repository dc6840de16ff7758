// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Auxiliary-loss-free balancing: moves the bias of every gate after a step.
#pragma once

#include <algorithm>
#include <vector>

#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/optim/parameter_list.hpp>

namespace dsr1 {

struct balance_options {
  bool centre = false;  ///< subtract the mean of the bias: only differences matter, no drift
  double rate = 1;      ///< multiplies the rate of every layer; 0 freezes the biases
};

/// b += rate sign(mean load - load) for every parameter under update_rule::balance, from the counts
/// of the whole step that its gradient holds. Wang et al. 2024, arXiv 2408.15664. Does nothing to a
/// layer that saw no token.
template <class Ctx, class T>
void update_balance(Ctx& ctx, const parameter_list<T>& parameters, const balance_options& options = {}) {
  thread_local std::vector<T> counts, bias;
  for (const auto& [name, p] : parameters) {
    if (p->traits().update != update_rule::balance || !p->gradient_written()) continue;
    const auto n = static_cast<std::size_t>(p->size());
    counts.resize(n);
    bias.resize(n);
    Ctx::backend::download(ctx, view<const T, 1>(p->template gradient<1>()), counts.data());
    Ctx::backend::download(ctx, view<const T, 1>(p->template value<1>()), bias.data());
    double mean = 0, centre = 0;
    for (const T c : counts) mean += static_cast<double>(c) / static_cast<double>(n);
    if (mean == 0) continue;
    const T step = static_cast<T>(p->traits().rate * options.rate);
    for (std::size_t e = 0; e < n; ++e) {
      const double gap = mean - static_cast<double>(counts[e]);
      bias[e] += gap > 0 ? step : gap < 0 ? -step : T(0);
      centre += static_cast<double>(bias[e]) / static_cast<double>(n);
    }
    if (options.centre)
      for (T& b : bias) b -= static_cast<T>(centre);
    Ctx::backend::upload(ctx, bias.data(), p->template value<1>());
  }
}

}  // namespace dsr1
