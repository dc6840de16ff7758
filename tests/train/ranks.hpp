// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A small model trained on several ranks, each with its part of one batch.
#pragma once

#include <mutex>

#include "catch.hpp"
#include "model/small_model.hpp"

#include <dsr1/comm/threads.hpp>
#include <dsr1/train/trainer.hpp>

namespace ranks_test {

using namespace dsr1;
using namespace small_model;

template <class T>
using model_type = small_lm<T, false>;

inline const std::vector<index_t> lengths = {7, 12, 1, 9, 3, 14, 6, 12};  // 64 tokens

/// The part of the batch of a rank: sequences dealt in order; rank 0 may get nothing.
struct share {
  std::vector<std::int32_t> in, out;
  std::vector<sequence> parts;

  share(int rank, int ranks, bool idle) {
    const int workers = idle && ranks > 1 ? ranks - 1 : ranks;
    const int worker = idle && ranks > 1 ? rank - 1 : rank;
    std::int32_t x = 1;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      const bool mine = static_cast<int>(i) * workers / static_cast<int>(lengths.size()) == worker;
      if (mine) parts.push_back({.begin = static_cast<index_t>(in.size()), .length = lengths[i]});
      for (index_t t = 0; t < lengths[i]; ++t, x = (5 * x + 1) % 13)
        if (mine) {
          in.push_back(x);
          out.push_back((5 * x + 1) % 13);
        }
    }
  }
  training_batch batch() const {
    const auto n = static_cast<index_t>(in.size());
    return {{view<const std::int32_t, 1>(in.data(), n), std::span<const sequence>(parts)},
            view<const std::int32_t, 1>(out.data(), n)};
  }
};

struct outcome {
  std::vector<double> losses, norms, violations;
  std::vector<double> weights;
  bool operator==(const outcome&) const = default;
};

struct options {
  bool idle = false;  ///< rank 0 gets no tokens
  int steps = 6;
};

/// before(ctx, trainer) and after(ctx, trainer) run on every rank.
template <class T, class Policy, class Before, class After>
outcome train(int ranks, Policy policy, sync_options sync, options o, Before&& before,
              After&& after) {
  outcome result;
  std::mutex mutex;
  run_ranks(ranks, [&](rank_group& group) {
    context<cpu, rank_group> ctx({.threads = 1, .seed = 3}, std::move(group));
    const int rank = ctx.comm().rank();
    model_type<T> model;
    initialize(ctx, model);
    trainer t(ctx, model, policy, {.clip = 0.5, .sync = sync});
    const share mine(rank, ranks, o.idle);
    const training_batch b[] = {mine.batch()};
    before(ctx, t);
    outcome one;
    for (int i = 0; i < o.steps; ++i) {
      const step_report r = t.step(b, 1e-2);
      expects(r.tokens == 64, "a step of ", r.tokens, " tokens, expected 64");
      one.losses.push_back(r.loss);
      one.norms.push_back(r.gradient_norm);
      one.violations.push_back(r.max_violation);
    }
    model.for_each_parameter([&](const parameter_name&, auto& p) {
      one.weights.insert(one.weights.end(), p.values().begin(), p.values().end());
    });
    after(ctx, t);
    const std::lock_guard lock(mutex);
    if (result.weights.empty()) result = one;
    expects(result == one, "rank ", rank, " has another outcome than the ranks before it");
  });
  return result;
}

template <class T, class Policy>
outcome train(int ranks, Policy policy, sync_options sync, options o = {}) {
  const auto nothing = [](auto&, auto&) {};
  return train<T>(ranks, policy, sync, o, nothing, nothing);
}

inline double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

}  // namespace ranks_test
