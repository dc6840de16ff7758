// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The battery of routing, counting, dropping and sorting; see backend/routing_ops.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "battery/device.hpp"
#include "battery/row_ops.hpp"
#include "battery/softmax_top_k.hpp"

#include <dsr1/backend/routing_ops.hpp>

namespace battery {

using dsr1::row_groups;

/// tokens, experts, choices: one expert, more experts than tokens, no choices, no tokens.
struct routing_size {
  index_t tokens, experts, k;
};
inline constexpr routing_size routing_sizes[] = {{0, 4, 2}, {1, 1, 1},    {3, 128, 4}, {70, 1, 1},
                                                 {5, 8, 0}, {65, 16, 16}, {300, 12, 3}};

template <class T, class Ctx>
void route(Ctx& ctx) {
  const softmax_top_k gate;
  for (const auto& [n, experts, k] : routing_sizes)
    for (const bool biased : {false, true}) {
      ctx.workspace().reset();
      const auto x = normals<T>(n * experts, 1), b = normals<T>(experts, 2),
                 dw = normals<T>(n * k, 3);
      const device_matrix<Ctx, T> logits(ctx, n, experts, x), weight(ctx, n, k),
          dweight(ctx, n, k, dw), dlogits(ctx, n, experts);
      const device_vector<Ctx, T> bias(ctx, b);
      const device_vector<Ctx, std::int32_t> chosen(ctx, n * k);
      const auto index = chosen.out().reshaped(n, k);
      const view<const T, 1> offset = biased ? bias.in() : view<const T, 1>();
      Ctx::backend::route(ctx, gate, logits.in(), offset, index, weight.out());
      Ctx::backend::route_backward(ctx, gate, logits.in(), offset,
                                   view<const std::int32_t, 2>(index), weight.in(), dweight.in(),
                                   dlogits.out());
      std::vector<std::int32_t> which;
      std::vector<double> values, gradient;
      for (index_t t = 0; t < n; ++t) {
        std::vector<double> p, dp(at(experts));
        double sum = 0, mean = 0;
        for (index_t e = 0; e < experts; ++e)
          sum += std::exp(static_cast<double>(x[at(t * experts + e)]));
        for (index_t e = 0; e < experts; ++e)
          p.push_back(std::exp(static_cast<double>(x[at(t * experts + e)])) / sum);
        std::vector<std::int32_t> order(at(experts));
        for (index_t e = 0; e < experts; ++e) order[at(e)] = static_cast<std::int32_t>(e);
        std::stable_sort(order.begin(), order.end(), [&](std::int32_t i, std::int32_t j) {
          return p[at(i)] + (biased ? static_cast<double>(b[at(i)]) : 0) >
                 p[at(j)] + (biased ? static_cast<double>(b[at(j)]) : 0);
        });
        for (index_t j = 0; j < k; ++j) {
          which.push_back(order[at(j)]);
          values.push_back(p[at(order[at(j)])]);
          dp[at(order[at(j)])] = static_cast<double>(dw[at(t * k + j)]);
        }
        for (index_t e = 0; e < experts; ++e) mean += p[at(e)] * dp[at(e)];
        for (index_t e = 0; e < experts; ++e) gradient.push_back(p[at(e)] * (dp[at(e)] - mean));
      }
      const std::string what = dsr1::text("route ", n, " tokens to ", k, " of ", experts);
      check_same(chosen.host(), which, what);
      check_close(weight.host(), values, what + ", weights");
      check_close(dlogits.host(), gradient, what + ", backward");
    }
}

template <class T, class Ctx>
void affinities(Ctx& ctx) {
  const softmax_top_k gate;
  const index_t n = 140, experts = 9;
  for (const std::vector<index_t>& ends : {std::vector<index_t>{140}, {0, 70, 70, 71, 140}}) {
    ctx.workspace().reset();
    const row_groups groups(ends);
    const auto x = normals<T>(n * experts, 1), d = normals<T>(groups.count() * experts, 2),
               start = normals<T>(n * experts, 3);
    const device_matrix<Ctx, T> logits(ctx, n, experts, x), p(ctx, n, experts),
        dp(ctx, groups.count(), experts, d), dlogits(ctx, n, experts, start);
    Ctx::backend::affinities(ctx, gate, logits.in(), p.out());
    Ctx::backend::affinities_backward(ctx, gate, logits.in(), p.in(), dp.in(), groups, T(0.5),
                                      dlogits.out());
    std::vector<double> expected, gradient = doubles(start);
    for (index_t g = 0; g < groups.count(); ++g)
      for (index_t t = groups.begin(g); t < groups.end(g); ++t) {
        double sum = 0, mean = 0;
        for (index_t e = 0; e < experts; ++e)
          sum += std::exp(static_cast<double>(x[at(t * experts + e)]));
        for (index_t e = 0; e < experts; ++e)
          expected.push_back(std::exp(static_cast<double>(x[at(t * experts + e)])) / sum);
        const double* q = expected.data() + t * experts;
        for (index_t e = 0; e < experts; ++e)
          mean += q[e] * 0.5 * static_cast<double>(d[at(g * experts + e)]);
        for (index_t e = 0; e < experts; ++e)
          gradient[at(t * experts + e)] +=
              q[e] * (0.5 * static_cast<double>(d[at(g * experts + e)]) - mean);
      }
    check_close(p.host(), expected, "affinities");
    check_close(dlogits.host(), gradient, "affinities_backward");
  }
}

template <class T, class Ctx>
void log_sum_exp(Ctx& ctx) {
  for (const auto& [n, experts] : {std::pair<index_t, index_t>{0, 3}, {1, 1}, {70, 17}, {3, 128}}) {
    ctx.workspace().reset();
    const auto x = normals<T>(n * experts, 1, 20), d = normals<T>(n, 2),
               start = normals<T>(n * experts, 3);
    const device_matrix<Ctx, T> logits(ctx, n, experts, x), dlogits(ctx, n, experts, start);
    const device_vector<Ctx, T> lse(ctx, n), dlse(ctx, d);
    Ctx::backend::log_sum_exp(ctx, logits.in(), lse.out());
    Ctx::backend::log_sum_exp_backward(ctx, logits.in(), lse.in(), dlse.in(), dlogits.out());
    std::vector<double> expected, gradient = doubles(start);
    for (index_t t = 0; t < n; ++t) {
      double sum = 0;
      for (index_t e = 0; e < experts; ++e)
        sum += std::exp(static_cast<double>(x[at(t * experts + e)]));
      expected.push_back(std::log(sum));
      for (index_t e = 0; e < experts; ++e)
        gradient[at(t * experts + e)] += static_cast<double>(d[at(t)]) *
                                         std::exp(static_cast<double>(x[at(t * experts + e)])) /
                                         sum;
    }
    check_close(lse.host(), expected, "log_sum_exp");
    check_close(dlogits.host(), gradient, "log_sum_exp_backward");
  }
}

template <class T, class Ctx>
void count_experts(Ctx& ctx) {
  const index_t n = 90, k = 3, experts = 7;
  for (const std::vector<index_t>& ends : {std::vector<index_t>{90}, {0, 40, 40, 90}})
    for (const accumulate add : {accumulate::no, accumulate::yes}) {
      ctx.workspace().reset();
      const row_groups groups(ends);
      const auto chosen = row_numbers(n * k, experts, 1);
      const auto index = device_table(ctx, chosen, n, k);
      const device_matrix<Ctx, T> counts(ctx, groups.count(), experts,
                                         std::vector<T>(at(groups.count() * experts), T(2)));
      Ctx::backend::count_experts(ctx, index, groups, counts.out(), add);
      std::vector<T> expected(at(groups.count() * experts), add == accumulate::yes ? T(2) : T(0));
      for (index_t g = 0; g < groups.count(); ++g)
        for (index_t i = groups.begin(g) * k; i < groups.end(g) * k; ++i)
          if (chosen[at(i)] >= 0) expected[at(g * experts + chosen[at(i)])] += 1;
      check_same(counts.host(), expected, "count_experts");
    }
}

template <class T, class Ctx>
void limit_capacity(Ctx& ctx) {
  for (const auto& [n, k, experts] : {std::tuple<index_t, index_t, index_t>{0, 2, 3},
                                      {1, 1, 1},
                                      {40, 3, 5},
                                      {64, 2, 1},
                                      {5, 0, 4}})
    for (const index_t capacity : {1, 4, 1000})
      for (const dsr1::drop_rule rule :
           {dsr1::drop_rule::by_weight, dsr1::drop_rule::by_position}) {
        ctx.workspace().reset();
        const auto chosen = row_numbers(n * k, experts, 2);
        auto w = normals<T>(n * k, 3);
        for (std::size_t i = 0; i + 1 < w.size(); i += 3) w[i + 1] = w[i];  // some are equal
        const auto index = device_table(ctx, chosen, n, k);
        const device_matrix<Ctx, T> weight(ctx, n, k, w);
        const device_vector<Ctx, std::int32_t> kept(ctx, n * k);
        Ctx::backend::limit_capacity(ctx, index, weight.in(), capacity, rule,
                                     kept.out().reshaped(n, k));
        std::vector<std::int32_t> expected = chosen;
        for (index_t i = 0; i < n * k; ++i) {
          index_t better = 0;  // choices of the same expert that go first
          for (index_t j = 0; j < n * k; ++j) {
            if (j == i || chosen[at(j)] != chosen[at(i)]) continue;
            const bool heavier = rule == dsr1::drop_rule::by_weight && w[at(j)] != w[at(i)]
                                     ? w[at(j)] > w[at(i)]
                                     : j < i;
            better += heavier;
          }
          if (better >= capacity) expected[at(i)] = -1;
        }
        check_same(kept.host(), expected,
                   dsr1::text("limit_capacity ", capacity, " of ", n, " tokens"));
      }
}

template <class T, class Ctx>
void sort_by_expert(Ctx& ctx) {
  for (const auto& [n, experts, k] : routing_sizes) {
    ctx.workspace().reset();
    const auto chosen = row_numbers(n * k, experts, 5);
    const auto index = device_table(ctx, chosen, n, k);
    const device_vector<Ctx, std::int32_t> order(ctx, n * k + 3), slots(ctx, n * k);
    std::vector<index_t> ends(at(experts), -5);
    Ctx::backend::sort_by_expert(ctx, index, std::span<index_t>(ends), order.out(),
                                 slots.out().reshaped(n, k));
    std::vector<index_t> expected_ends;
    std::vector<std::int32_t> expected_order, expected_slots(at(n * k), -1);
    for (index_t e = 0; e < experts; ++e) {
      for (index_t i = 0; i < n * k; ++i)
        if (chosen[at(i)] == e) {
          expected_slots[at(i)] = static_cast<std::int32_t>(expected_order.size());
          expected_order.push_back(static_cast<std::int32_t>(i / k));
        }
      expected_ends.push_back(static_cast<index_t>(expected_order.size()));
    }
    auto sorted = order.host();
    sorted.resize(expected_order.size());  // rows from ends.back() on are unused
    check_same(ends, expected_ends, "ends");
    check_same(sorted, expected_order, "order");
    check_same(slots.host(), expected_slots, "slots");
  }
}

template <class T, class Ctx>
void routing_errors(Ctx& ctx) {
  using backend = typename Ctx::backend;
  ctx.workspace().reset();
  const softmax_top_k gate;
  const view<const T, 1> none;
  const index_t n = 70;
  auto x = normals<T>(n * 4, 1);
  x[at(66 * 4 + 2)] = std::numeric_limits<T>::infinity();
  const device_matrix<Ctx, T> logits(ctx, n, 4, x), weight(ctx, n, 2), three(ctx, n, 3);
  const device_vector<Ctx, std::int32_t> flat(ctx, n * 2), order(ctx, n * 2), few(ctx, 5);
  const view<std::int32_t, 2> index = flat.out().reshaped(n, 2);
  const view<const std::int32_t, 2> choices = index;
  CHECK(mentions(
      message_of([&] { backend::route(ctx, gate, logits.in(), none, index, weight.out()); }),
      "token 66", "not finite", "inf"));
  CHECK(mentions(
      message_of([&] { backend::route(ctx, gate, logits.in(), none, index, three.out()); }),
      "[70, 4]", "[70, 2]", "[70, 3]"));
  CHECK(mentions(message_of([&] {
                   backend::limit_capacity(ctx, choices, weight.in(), 0, dsr1::drop_rule::by_weight,
                                           index);
                 }),
                 "capacity of 0", "at least 1"));
  CHECK(mentions(message_of([&] {
                   backend::limit_capacity(ctx, choices, three.in(), 1, dsr1::drop_rule::by_weight,
                                           index);
                 }),
                 "limit_capacity of [70, 2]", "[70, 3]"));
  const device_vector<Ctx, T> five(ctx, 5), many(ctx, n);
  CHECK(mentions(
      message_of([&] { backend::route(ctx, gate, logits.in(), five.in(), index, weight.out()); }),
      "route of [70, 4]", "bias of [5]"));
  const auto route_backward = [&](view<const T, 1> bias, view<const T, 2> dweight,
                                  view<T, 2> dlogits) {
    return message_of([&] {
      backend::route_backward(ctx, gate, logits.in(), bias, choices, weight.in(), dweight, dlogits);
    });
  };
  CHECK(mentions(route_backward(five.in(), weight.in(), logits.out()), "route_backward of [70, 4]",
                 "bias of [5]"));
  CHECK(mentions(route_backward(none, three.in(), logits.out()), "route_backward of [70, 4]",
                 "weight [70, 2]", "dweight [70, 3]"));
  CHECK(mentions(route_backward(none, weight.in(), three.out()), "into [70, 3]"));
  CHECK(mentions(message_of([&] { backend::affinities(ctx, gate, logits.in(), three.out()); }),
                 "affinities of [70, 4]", "[70, 3]"));
  CHECK(mentions(message_of([&] { backend::log_sum_exp(ctx, logits.in(), five.out()); }),
                 "log_sum_exp of [70, 4]", "[5]"));
  const auto lse_backward = [&](view<const T, 1> lse, view<const T, 1> dlse, view<T, 2> dlogits) {
    return message_of([&] { backend::log_sum_exp_backward(ctx, logits.in(), lse, dlse, dlogits); });
  };
  CHECK(mentions(lse_backward(five.in(), many.in(), logits.out()),
                 "log_sum_exp_backward of [70, 4]", "lse [5]"));
  CHECK(mentions(lse_backward(many.in(), five.in(), logits.out()), "dlse [5]"));
  CHECK(mentions(lse_backward(many.in(), many.in(), three.out()), "into [70, 3]"));
  const std::vector<index_t> two = {10, 70}, short_ends = {10, 60};
  const device_matrix<Ctx, T> counts(ctx, 2, 4), one(ctx, 1, 4);
  CHECK(mentions(message_of([&] {
                   backend::count_experts(ctx, choices, row_groups(two), one.out(), accumulate::no);
                 }),
                 "[70, 2]", "2 groups", "[1, 4]"));
  CHECK(mentions(message_of([&] {
                   backend::count_experts(ctx, choices, row_groups(short_ends), counts.out(),
                                          accumulate::no);
                 }),
                 "[70, 2]", "2 groups"));
  const device_matrix<Ctx, T> p(ctx, n, 4), d(ctx, n, 4);
  CHECK(mentions(message_of([&] {
                   backend::affinities_backward(ctx, gate, logits.in(), p.in(), counts.in(),
                                                row_groups(short_ends), T(1), d.out());
                 }),
                 "60 rows", "[70, 4]"));
  CHECK(mentions(message_of([&] {
                   backend::affinities_backward(ctx, gate, logits.in(), p.in(), one.in(),
                                                row_groups(two), T(1), d.out());
                 }),
                 "2 groups", "[1, 4]"));
  CHECK(mentions(message_of([&] {
                   backend::affinities_backward(ctx, gate, logits.in(), three.in(), counts.in(),
                                                row_groups(two), T(1), d.out());
                 }),
                 "affinities_backward of [70, 4]", "affinities [70, 3]"));
  CHECK(mentions(message_of([&] {
                   backend::affinities_backward(ctx, gate, logits.in(), p.in(), counts.in(),
                                                row_groups(two), T(1), three.out());
                 }),
                 "into [70, 3]"));
  std::vector<index_t> ends(4);
  CHECK(mentions(message_of([&] {
                   backend::sort_by_expert(ctx, choices, std::span<index_t>(ends), few.out(),
                                           index);
                 }),
                 "[70, 2]", "[5]"));
  // A gate of one's own that names an expert which is not there.
  std::vector<std::int32_t> numbers(at(n * 2), 1);
  numbers[at(33 * 2 + 1)] = 4;
  const auto bad = device_table(ctx, numbers, n, 2);
  CHECK(mentions(message_of([&] {
                   backend::sort_by_expert(ctx, bad, std::span<index_t>(ends), order.out(), index);
                 }),
                 "token 33", "expert 4", "3"));
  CHECK(mentions(message_of([&] {
                   backend::count_experts(ctx, bad, row_groups(two), counts.out(), accumulate::no);
                 }),
                 "token 33", "expert 4", "3"));
}

}  // namespace battery
