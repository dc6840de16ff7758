// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Gradients that are hard to compress, and ranks that reduce them.
#pragma once

#include <cmath>
#include <mutex>
#include <string>
#include <vector>

#include "catch.hpp"

#include <dsr1/comm/threads.hpp>
#include <dsr1/cpu/cpu.hpp>
#include <dsr1/sync/compressed_all_reduce.hpp>

namespace gradients {

using namespace dsr1;

inline std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

inline const char* const kinds[] = {"normal",    "heavy tails", "rows of different scale",
                                    "one giant", "zeros",       "denormals"};

/// The gradient of a rank: its numbers differ from those of the others, its scale may too.
template <class T = float>
std::vector<T> of(int kind, index_t count, int rank, int step = 0) {
  const random_stream random(31, static_cast<std::uint64_t>(100 * step + rank));
  std::vector<T> g(at(count));
  for (index_t i = 0; i < count; ++i) {
    double x = random.normal(static_cast<std::uint64_t>(i));
    switch (kind) {
      case 0:
        break;
      case 1:
        x /= 0.01 + random.uniform(static_cast<std::uint64_t>(i + count));
        break;
      case 2:
        x *= std::exp(4 * random_stream(5).normal(static_cast<std::uint64_t>(i / 100)));
        break;
      case 3:
        x *= i == count / 3 ? 1e9 : 1e-3;
        break;
      case 4:
        x = i % 300 < 280 ? 0 : x;
        break;
      default:
        x *= 1e-39;
        break;
    }
    g[at(i)] = static_cast<T>(x * (rank + 1));
  }
  return g;
}

/// Runs f(ctx, group) as so many ranks.
template <class F>
void with_ranks(int ranks, F&& f) {
  run_ranks(ranks, [&](rank_group& group) {
    context<cpu> ctx({.threads = 1});
    f(ctx, group);
  });
}

template <class T>
view<T, 1> all_of(std::vector<T>& v) {
  return view<T, 1>(v.data(), static_cast<index_t>(v.size()));
}

/// Collects one value of every rank.
template <class T>
class per_rank {
 public:
  explicit per_rank(int ranks) : values_(static_cast<std::size_t>(ranks)) {}
  T& operator[](int r) { return values_[static_cast<std::size_t>(r)]; }
  const std::vector<T>& all() const { return values_; }

 private:
  std::vector<T> values_;
};

}  // namespace gradients
