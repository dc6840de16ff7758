// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Routing on the CPU: gates over all tokens, counting, sorting by expert.
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>

#include <dsr1/backend/routing_ops.hpp>
#include <dsr1/cpu/tensor_ops.hpp>
#include <dsr1/tensor/workspace.hpp>

namespace dsr1 {

/// The group `routing_ops` of the backend contract.
struct cpu_routing {
  template <class T>
  using rows = view<const T, 2>;
  using index_table = view<const std::int32_t, 2>;

  template <class Ctx, class Gate, class T>
  static void route(Ctx& ctx, const Gate& gate, rows<T> logits, view<const T, 1> bias,
                    view<std::int32_t, 2> index, view<T, 2> weight) {
    expect_route(logits, bias, index, weight);
    for_each_token<T>(ctx, logits, [&](index_t t, std::span<T> scratch) {
      for (const T v : row(logits, t)) expect_finite_logit(t, v);
      gate.route(row(logits, t), all(bias), row(index, t), row(weight, t), scratch);
    });
  }

  template <class Ctx, class Gate, class T>
  static void route_backward(Ctx& ctx, const Gate& gate, rows<T> logits, view<const T, 1> bias,
                             index_table index, rows<T> weight, rows<T> dweight,
                             view<T, 2> dlogits) {
    expect_route_backward(logits, bias, index, weight, dweight, dlogits);
    for_each_token<T>(ctx, logits, [&](index_t t, std::span<T> scratch) {
      gate.route_backward(row(logits, t), all(bias), row(index, t), row(weight, t), row(dweight, t),
                          row(dlogits, t), scratch);
    });
  }

  template <class Ctx, class Gate, class T>
  static void affinities(Ctx& ctx, const Gate& gate, rows<T> logits, view<T, 2> p) {
    expect_affinities(logits, p);
    for_each_token<T>(ctx, logits,
                      [&](index_t t, std::span<T>) { gate.affinities(row(logits, t), row(p, t)); });
  }

  template <class Ctx, class Gate, class T>
  static void affinities_backward(Ctx& ctx, const Gate& gate, rows<T> logits, rows<T> p, rows<T> dp,
                                  const row_groups& groups, std::type_identity_t<T> scale,
                                  view<T, 2> dlogits) {
    expect_affinities_backward(logits, p, dp, groups, dlogits);
    const workspace::scope scope(ctx.workspace());
    const auto group_of = ctx.template take<std::int32_t>(logits.rows());
    for (index_t g = 0; g < groups.count(); ++g)
      std::fill(group_of.data + groups.begin(g), group_of.data + groups.end(g),
                static_cast<std::int32_t>(g));
    const auto scaled = ctx.template take<T>(dp.rows(), dp.columns());
    for (index_t g = 0; g < dp.rows(); ++g)
      for (index_t e = 0; e < dp.columns(); ++e) scaled(g, e) = scale * dp(g, e);
    for_each_token<T>(ctx, logits, [&](index_t t, std::span<T> scratch) {
      gate.affinities_backward(row(logits, t), row(p, t), row(rows<T>(scaled), group_of[t]),
                               row(dlogits, t), scratch);
    });
  }

  template <class Ctx, class T>
  static void log_sum_exp(Ctx& ctx, rows<T> logits, view<T, 1> lse) {
    expect_log_sum_exp(logits, lse);
    for_each_token<T>(ctx, logits, [&](index_t t, std::span<T>) {
      const std::span<const T> x = row(logits, t);
      const T top = *std::max_element(x.begin(), x.end());
      T sum = 0;
      for (const T v : x) sum += std::exp(v - top);
      lse[t] = top + std::log(sum);
    });
  }

  template <class Ctx, class T>
  static void log_sum_exp_backward(Ctx& ctx, rows<T> logits, view<const T, 1> lse,
                                   view<const T, 1> dlse, view<T, 2> dlogits) {
    expect_log_sum_exp_backward(logits, lse, dlse, dlogits);
    for_each_token<T>(ctx, logits, [&](index_t t, std::span<T>) {
      for (index_t i = 0; i < logits.columns(); ++i)
        dlogits(t, i) += dlse[t] * std::exp(logits(t, i) - lse[t]);
    });
  }

  template <class Ctx, class T>
  static void count_experts(Ctx&, index_table index, const row_groups& groups, view<T, 2> counts,
                            accumulate add) {
    expect_count_experts(index, groups, counts);
    for (index_t g = 0; g < groups.count(); ++g) {
      if (add == accumulate::no) std::fill_n(counts.row(g), counts.columns(), T(0));
      for (index_t t = groups.begin(g); t < groups.end(g); ++t)
        for (const std::int32_t e : row(index, t)) {
          expect_expert(t, e, counts.columns());
          if (e >= 0) counts(g, e) += T(1);
        }
    }
  }

  template <class Ctx, class T>
  static void limit_capacity(Ctx& ctx, index_table index, rows<T> weight, index_t capacity,
                             drop_rule rule, view<std::int32_t, 2> kept) {
    expect_limit_capacity(index, weight, capacity, kept);
    const index_t k = index.columns(), choices = index.rows() * k;
    const workspace::scope scope(ctx.workspace());
    // All choices in order of expert; inside an expert, best first.
    const auto order = ctx.template take<std::int32_t>(choices);
    for (index_t i = 0; i < choices; ++i) order[i] = static_cast<std::int32_t>(i);
    std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
      const std::int32_t ea = index(a / k, a % k), eb = index(b / k, b % k);
      if (ea != eb) return ea < eb;
      const T wa = weight(a / k, a % k), wb = weight(b / k, b % k);
      if (rule == drop_rule::by_weight && wa != wb) return wa > wb;
      return a < b;
    });
    index_t used = 0;
    for (index_t i = 0; i < choices; ++i) {
      const index_t c = order[i];
      const std::int32_t e = index(c / k, c % k);
      const bool same = i > 0 && index(order[i - 1] / k, order[i - 1] % k) == e;
      used = same ? used + 1 : 1;
      kept(c / k, c % k) = used <= capacity ? e : -1;
    }
  }

  template <class Ctx>
  static void sort_by_expert(Ctx&, index_table index, std::span<index_t> ends,
                             view<std::int32_t, 1> order, view<std::int32_t, 2> slots) {
    expect_sort_by_expert(index, order, slots);
    std::fill(ends.begin(), ends.end(), index_t{0});
    for (index_t t = 0; t < index.rows(); ++t)
      for (const std::int32_t e : row(index, t)) {
        expect_expert(t, e, static_cast<index_t>(ends.size()));
        if (e >= 0) ++ends[static_cast<std::size_t>(e)];
      }
    index_t begin = 0;
    for (index_t& e : ends) begin += std::exchange(e, begin);  // now the first row of each expert
    for (index_t t = 0; t < index.rows(); ++t)
      for (index_t j = 0; j < index.columns(); ++j) {
        const std::int32_t e = index(t, j);
        if (e < 0) {
          slots(t, j) = -1;
          continue;
        }
        const index_t r = ends[static_cast<std::size_t>(e)]++;
        order[r] = static_cast<std::int32_t>(t);
        slots(t, j) = static_cast<std::int32_t>(r);
      }
  }

 private:
  template <class T>
  static std::span<T> row(const view<T, 2>& v, index_t t) {
    return {v.row(t), static_cast<std::size_t>(v.columns())};
  }
  template <class T>
  static std::span<T> all(const view<T, 1>& v) {
    return {v.data, static_cast<std::size_t>(v.rows())};
  }

  /// f(token, scratch of 2 * experts elements) over all rows of the logits, in parallel.
  template <class T, class Ctx, class F>
  static void for_each_token(Ctx& ctx, rows<T> logits, F&& f) {
    constexpr index_t chunk = 64;
    const workspace::scope scope(ctx.workspace());
    const auto scratch = ctx.template take<T>(ctx.device().pool().size(), 2 * logits.columns());
    parallel_for(ctx, ceil_div(logits.rows(), chunk), [&](index_t c, int worker) {
      for (index_t t = c * chunk; t < std::min((c + 1) * chunk, logits.rows()); ++t)
        f(t, std::span<T>(scratch.row(worker), static_cast<std::size_t>(scratch.columns())));
    });
  }
};

}  // namespace dsr1
