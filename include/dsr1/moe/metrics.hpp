// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// How equally the experts are loaded: numbers for logs, alarms and pictures.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/tensor/parameter.hpp>

namespace dsr1 {

/// The balance of one layer, from c_e = choices of expert e in a batch (all ranks together).
struct balance_metrics {
  double max_violation = 0;  ///< MaxVio = max_e c_e / mean(c) - 1 (arXiv 2408.15664); 0 is perfect
  double utilisation = 0;    ///< mean(c) / max_e c_e = 1 / (1 + MaxVio)
  double entropy = 0;        ///< of c / sum(c), over log E: 1 is perfect
  index_t dead = 0;          ///< experts without a token
};

/// Throws `error` when there are no experts; all zero when there were no tokens.
template <class T>
balance_metrics balance_of(std::span<const T> counts) {
  expects(!counts.empty(), "balance_of no experts, expected at least one");
  double sum = 0, most = 0;
  for (const T c : counts) {
    sum += static_cast<double>(c);
    most = std::max(most, static_cast<double>(c));
  }
  balance_metrics m;
  if (sum <= 0) return m;
  const double mean = sum / static_cast<double>(counts.size());
  m.max_violation = most / mean - 1;
  m.utilisation = mean / most;
  for (const T c : counts) {
    const double p = static_cast<double>(c) / sum;
    if (p > 0) m.entropy -= p * std::log(p);
    m.dead += c == T(0);
  }
  m.entropy = counts.size() > 1 ? m.entropy / std::log(static_cast<double>(counts.size())) : 1;
  return m;
}

/// The choices of every expert in every mixture-of-experts layer since the last `clear_gradients`.
struct load_matrix {
  std::vector<std::string> layers;  ///< names of the layers
  index_t experts = 0;              ///< columns; layers with fewer have zeros at the end
  std::vector<double> counts;       ///< [layers, experts]
  std::vector<double> staging;      ///< of collect_load

  void clear() { std::fill(counts.begin(), counts.end(), 0.0); }

  std::span<const double> row(index_t layer) const {
    return {counts.data() + layer * experts, static_cast<std::size_t>(experts)};
  }
  /// Load over mean of one expert, 1 in perfect balance.
  double relative(index_t layer, index_t expert) const {
    double sum = 0;
    for (const double c : row(layer)) sum += c;
    return sum > 0
               ? row(layer)[static_cast<std::size_t>(expert)] * static_cast<double>(experts) / sum
               : 0;
  }
  /// The worst MaxVio over the layers.
  double max_violation() const {
    double worst = 0;
    for (index_t l = 0; l < static_cast<index_t>(layers.size()); ++l)
      worst = std::max(worst, balance_of(row(l)).max_violation);
    return worst;
  }
};

/// Adds the current counts of a model's layers to `total`, which may be empty at first.
template <class Ctx, class Layer>
void collect_load(Ctx& ctx, Layer& model, load_matrix& total) {
  index_t layer = 0, experts = 0, layers = 0;
  model.for_each_parameter([&](const parameter_name&, auto& p) {
    if (!p.traits().counts_load) return;
    experts = std::max(experts, p.size());
    ++layers;
  });
  if (total.layers.empty()) {
    total.experts = experts;
    total.counts.assign(static_cast<std::size_t>(layers * experts), 0);
  }
  expects(total.experts == experts && static_cast<index_t>(total.counts.size()) == layers * experts,
          "collect_load of ", layers, " layers of ", experts, " experts into a matrix of ",
          total.counts.size(), " numbers");
  total.staging.resize(static_cast<std::size_t>(experts));
  model.for_each_parameter([&]<class T>(const parameter_name& name, parameter<T>& p) {
    if (!p.traits().counts_load) return;
    if (static_cast<index_t>(total.layers.size()) <= layer) total.layers.push_back(name.str());
    if (p.gradient_written()) {
      // The doubles are more than large enough for the counts as T.
      static_assert(sizeof(T) <= sizeof(double));
      T* const counts = reinterpret_cast<T*>(total.staging.data());
      Ctx::backend::download(ctx, view<const T, 1>(p.template gradient<1>()), counts);
      for (index_t e = 0; e < p.size(); ++e)
        total.counts[static_cast<std::size_t>(layer * experts + e)] +=
            static_cast<double>(counts[e]);
    }
    ++layer;
  });
}

}  // namespace dsr1
