// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Latent attention of one sequence as its formulas say, in loops over tokens, heads and elements.
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "battery/context.hpp"

#include <dsr1/attention/latent.hpp>

namespace latent_reference {

using dsr1::index_t;
using numbers = std::vector<double>;

inline std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

/// W x
inline numbers times(const numbers& w, const numbers& x) {
  numbers y(w.size() / x.size());
  for (std::size_t r = 0; r < y.size(); ++r)
    for (std::size_t c = 0; c < x.size(); ++c) y[r] += w[r * x.size() + c] * x[c];
  return y;
}

inline numbers normalised(const numbers& x, const numbers& weight, double eps) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  numbers y = x;
  for (std::size_t i = 0; i < y.size(); ++i)
    y[i] *= weight[i] / std::sqrt(sum / static_cast<double>(x.size()) + eps);
  return y;
}

inline numbers part(const numbers& x, index_t first, index_t count) {
  return {x.begin() + first, x.begin() + first + count};
}

/// Plain rotary positions; no YaRN.
inline numbers rotated(numbers x, index_t position, const dsr1::rope_options& o) {
  const std::size_t half = x.size() / 2;
  for (std::size_t i = 0; i < half; ++i) {
    const bool pairs = o.layout == dsr1::rope_layout::interleaved;
    double &a = x[pairs ? 2 * i : i], &b = x[pairs ? 2 * i + 1 : i + half];
    const double angle = static_cast<double>(position) *
                         std::pow(o.theta, -static_cast<double>(i) / static_cast<double>(half));
    const double u = a, v = b;
    a = u * std::cos(angle) - v * std::sin(angle);
    b = v * std::cos(angle) + u * std::sin(angle);
  }
  return x;
}

/// The result [tokens, dim] for x [tokens, dim]; takes only the numbers of `layer`.
template <class Layer>
numbers forward(Layer& layer, const dsr1::latent_shape& n, const dsr1::latent_options& o,
                const numbers& x) {
  std::map<std::string, numbers> w;
  layer.for_each_parameter([&](const dsr1::parameter_name& name, auto& p) {
    w[name.str()] = numbers(p.values().begin(), p.values().end());
  });
  const index_t tokens = static_cast<index_t>(x.size()) / n.dim, d = n.plain_dim + n.rope_dim;
  const double scale = o.scale > 0 ? o.scale : 1 / std::sqrt(static_cast<double>(d));
  std::vector<std::vector<numbers>> q(at(tokens)), k = q, v = q;  // [token][head]
  for (index_t t = 0; t < tokens; ++t) {
    const numbers in = part(x, t * n.dim, n.dim);
    const numbers all_q = n.q_rank > 0
                              ? times(w["q_up.weight"], normalised(times(w["q_down.weight"], in),
                                                                   w["q_norm.weight"], o.norm_eps))
                              : times(w["q.weight"], in);
    const numbers low = times(w["kv_down.weight"], in);
    const numbers c = normalised(part(low, 0, n.kv_rank), w["kv_norm.weight"], o.norm_eps);
    const numbers shared = rotated(part(low, n.kv_rank, n.rope_dim), t, o.rope);
    const numbers up = times(w["kv_up.weight"], c);
    for (index_t h = 0; h < n.heads; ++h) {
      numbers one = part(all_q, h * d, n.plain_dim);
      const numbers turned = rotated(part(all_q, h * d + n.plain_dim, n.rope_dim), t, o.rope);
      one.insert(one.end(), turned.begin(), turned.end());
      q[at(t)].push_back(one);
      one = part(up, h * (n.plain_dim + n.value_dim), n.plain_dim);
      one.insert(one.end(), shared.begin(), shared.end());
      k[at(t)].push_back(one);
      v[at(t)].push_back(part(up, h * (n.plain_dim + n.value_dim) + n.plain_dim, n.value_dim));
    }
  }
  numbers y;
  for (index_t t = 0; t < tokens; ++t) {
    numbers heads;
    for (index_t h = 0; h < n.heads; ++h) {
      numbers out(at(n.value_dim));
      double sum = 0;
      for (index_t j = 0; j <= t; ++j) {
        double score = 0;
        for (index_t c = 0; c < d; ++c) score += q[at(t)][at(h)][at(c)] * k[at(j)][at(h)][at(c)];
        const double p = std::exp(scale * score);
        sum += p;
        for (index_t c = 0; c < n.value_dim; ++c) out[at(c)] += p * v[at(j)][at(h)][at(c)];
      }
      for (const double one : out) heads.push_back(one / sum);
    }
    const numbers result = times(w["out.weight"], heads);
    y.insert(y.end(), result.begin(), result.end());
  }
  return y;
}

}  // namespace latent_reference
