// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Window attention with sinks as loops over queries and keys in double, forward and backward.
#pragma once

#include <cmath>
#include <vector>

#include "battery/context.hpp"

#include <dsr1/backend/attention_ops.hpp>

namespace battery {

using dsr1::attention_extents;
using dsr1::sequence;

/// Numbers of one attention call over packed sequences whose keys are in the rows of the call.
struct attention_reference {
  attention_extents e;
  std::vector<sequence> sequences;
  std::vector<double> q, k, v,
      sinks;  // [rows, heads d], [rows, kv_heads d], [rows, kv_heads value], [heads] or empty

  std::vector<double> y, lse;              // made by forward
  std::vector<double> dq, dk, dv, dsinks;  // made by backward

  index_t rows() const { return static_cast<index_t>(q.size()) / (e.heads * e.head_dim); }

  void forward() {
    y.assign(at(rows() * e.heads * e.value_size()), 0);
    lse.assign(static_cast<std::size_t>(rows() * e.heads), 0);
    each([&](index_t i, index_t h, index_t first, index_t last) {
      double sum = sinks.empty() ? 0 : std::exp(sinks[at(h)]);
      for (index_t j = first; j <= last; ++j) sum += std::exp(score(i, j, h));
      lse[at(i * e.heads + h)] = std::log(sum);
      for (index_t j = first; j <= last; ++j)
        for (index_t c = 0; c < e.value_size(); ++c)
          y[of_result(i, h, c)] += std::exp(score(i, j, h)) / sum * v[of_value(j, h, c)];
    });
  }

  void backward(const std::vector<double>& dy) {
    dq.assign(q.size(), 0);
    dk.assign(k.size(), 0);
    dv.assign(v.size(), 0);
    dsinks.assign(sinks.size(), 0);
    each([&](index_t i, index_t h, index_t first, index_t last) {
      const double total = lse[at(i * e.heads + h)];
      double mean = 0;  // sum of p dp over the keys; a sink has no value, so it adds nothing
      for (index_t c = 0; c < e.value_size(); ++c)
        mean += dy[of_result(i, h, c)] * y[of_result(i, h, c)];
      for (index_t j = first; j <= last; ++j) {
        const double p = std::exp(score(i, j, h) - total);
        double dp = 0;
        for (index_t c = 0; c < e.value_size(); ++c) {
          dp += dy[of_result(i, h, c)] * v[of_value(j, h, c)];
          dv[of_value(j, h, c)] += p * dy[of_result(i, h, c)];
        }
        const double ds = e.scale * p * (dp - mean);
        for (index_t c = 0; c < e.head_dim; ++c) {
          dq[of_query(i, h, c)] += ds * k[of_key(j, h, c)];
          dk[of_key(j, h, c)] += ds * q[of_query(i, h, c)];
        }
      }
      if (!sinks.empty()) dsinks[at(h)] -= std::exp(sinks[at(h)] - total) * mean;
    });
  }

 private:
  static std::size_t at(index_t i) { return static_cast<std::size_t>(i); }
  std::size_t of_query(index_t row, index_t h, index_t c) const {
    return at((row * e.heads + h) * e.head_dim + c);
  }
  std::size_t of_key(index_t row, index_t h, index_t c) const {
    return at((row * e.kv_heads + h / (e.heads / e.kv_heads)) * e.head_dim + c);
  }
  std::size_t of_result(index_t row, index_t h, index_t c) const {
    return at((row * e.heads + h) * e.value_size() + c);
  }
  std::size_t of_value(index_t row, index_t h, index_t c) const {
    return at((row * e.kv_heads + h / (e.heads / e.kv_heads)) * e.value_size() + c);
  }
  double score(index_t i, index_t j, index_t h) const {
    double s = 0;
    for (index_t c = 0; c < e.head_dim; ++c) s += q[of_query(i, h, c)] * k[of_key(j, h, c)];
    return e.scale * s;
  }
  /// f(row of the query, head, first and last row of the keys that it sees)
  template <class F>
  void each(F&& f) const {
    for (const sequence& s : sequences)
      for (index_t i = s.begin; i < s.begin + s.length; ++i)
        for (index_t h = 0; h < e.heads; ++h)
          f(i, h, e.window > 0 ? std::max(s.begin, i - e.window + 1) : s.begin, i);
  }
};

/// Sequences of the given lengths, one after the other.
inline std::vector<sequence> packed(const std::vector<index_t>& lengths) {
  std::vector<sequence> out;
  index_t begin = 0;
  for (const index_t n : lengths) {
    out.push_back({.begin = begin, .length = n});
    begin += n;
  }
  return out;
}

}  // namespace battery
