// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Dispatch plans: every choice has a row, rows are sorted, combine inverts dispatch.

#include <vector>

#include "battery/context.hpp"
#include "catch.hpp"

#include <dsr1/moe/dispatch.hpp>

using namespace dsr1;

TEST_CASE("dispatch_plan: rows sorted by expert, then by token") {
  context<cpu> ctx({.threads = 1});
  std::vector<std::int32_t> index = {2, 0, 0, 4, 2, 0, -1, 4};
  dispatch_plan plan;
  plan.make(ctx, view<const std::int32_t, 2>(index.data(), 4, 2), 5);
  CHECK(plan.ends == std::vector<index_t>{3, 3, 5, 5, 7});
  CHECK(plan.rows() == 7);
  CHECK(std::vector<std::int32_t>(plan.order.begin(), plan.order.end()) ==
        std::vector<std::int32_t>{0, 1, 2, 0, 2, 1, 3});
  CHECK(std::vector<std::int32_t>(plan.slots.data, plan.slots.data + 8) ==
        std::vector<std::int32_t>{3, 0, 1, 5, 4, 2, -1, 6});
}

TEST_CASE("dispatch_plan: combine of dispatched rows is the sum of the kept weights") {
  context<cpu> ctx({.threads = 2});
  const index_t tokens = 37, k = 3, experts = 11, dim = 5;
  std::vector<std::int32_t> index;
  for (index_t t = 0; t < tokens; ++t)
    for (index_t j = 0; j < k; ++j)
      index.push_back(static_cast<std::int32_t>((t * 7 + j * 4) % experts));
  index[5] = -1;
  const auto x = battery::normals<double>(tokens * dim, 1);
  const auto w = battery::normals<double>(tokens * k, 2);
  dispatch_plan plan;
  plan.make(ctx, view<const std::int32_t, 2>(index.data(), tokens, k), experts);
  const auto rows = plan.dispatch(ctx, battery::matrix_of(x, tokens, dim));
  const auto y = plan.combine(ctx, view<const double, 2>(rows), battery::matrix_of(w, tokens, k));
  for (index_t t = 0; t < tokens; ++t) {
    double sum = 0;
    for (index_t j = 0; j < k; ++j)
      if (index[static_cast<std::size_t>(t * k + j)] >= 0)
        sum += w[static_cast<std::size_t>(t * k + j)];
    for (index_t d = 0; d < dim; ++d)
      CHECK(y(t, d) == Approx(sum * x[static_cast<std::size_t>(t * dim + d)]).margin(1e-12));
  }
}

TEST_CASE("dispatch_plan: no tokens") {
  context<cpu> ctx({.threads = 1});
  dispatch_plan plan;
  plan.make(ctx, view<const std::int32_t, 2>(nullptr, 0, 4), 8);
  CHECK(plan.rows() == 0);
  CHECK(plan.dispatch(ctx, view<const float, 2>(nullptr, 0, 3)).rows() == 0);
}

TEST_CASE("capacity: the limit is rounded up") {
  CHECK(capacity{.factor = 1}.limit(10, 4) == 3);
  CHECK(capacity{.factor = 1.25}.limit(8, 4) == 3);
}

TEST_CASE("limit_capacity: by weight keeps the heaviest, by position the first") {
  context<cpu> ctx({.threads = 1});
  const std::vector<std::int32_t> index = {1, 1, 1, 0};
  const std::vector<float> weight = {0.2f, 0.9f, 0.5f, 0.1f};
  std::vector<std::int32_t> kept(4);
  const view<const std::int32_t, 2> i(index.data(), 4, 1);
  const view<const float, 2> w(weight.data(), 4, 1);
  cpu::limit_capacity(ctx, i, w, 2, drop_rule::by_weight, view<std::int32_t, 2>(kept.data(), 4, 1));
  CHECK(kept == std::vector<std::int32_t>{-1, 1, 1, 0});
  cpu::limit_capacity(ctx, i, w, 2, drop_rule::by_position,
                      view<std::int32_t, 2>(kept.data(), 4, 1));
  CHECK(kept == std::vector<std::int32_t>{1, 1, -1, 0});
  CHECK(mentions(message_of([&] {
                   cpu::limit_capacity(ctx, i, w, 0, drop_rule::by_weight,
                                       view<std::int32_t, 2>(kept.data(), 4, 1));
                 }),
                 "0 tokens", "at least 1"));
}
