// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The battery of the policy's view of rows of logits; see backend/policy_ops.hpp.
#pragma once

#include <cmath>
#include <limits>

#include "battery/device.hpp"

#include <dsr1/backend/policy_ops.hpp>

namespace battery {

/// The naive results of one row, and the slopes that policy_gradient_rows is given for it.
struct policy_reference {
  std::vector<double> log_probability, entropy, divergence, gradient;
};

template <class T>
policy_reference policy_loop(const std::vector<T>& x, const std::vector<T>& q, index_t columns,
                             const std::vector<std::int32_t>& actions, double a,
                             const std::vector<T>& dl, const std::vector<T>& dh,
                             const std::vector<T>& dd) {
  const auto log_softmax = [&](const std::vector<T>& logits, index_t t) {
    double top = -std::numeric_limits<double>::infinity(), sum = 0;
    std::vector<double> s;
    for (index_t i = 0; i < columns; ++i) {
      s.push_back(a * static_cast<double>(logits[at(t * columns + i)]));
      top = std::max(top, s.back());
    }
    for (const double v : s) sum += std::exp(v - top);
    for (double& v : s) v -= top + std::log(sum);
    return s;
  };
  policy_reference out;
  for (index_t t = 0; t < static_cast<index_t>(actions.size()); ++t) {
    const auto lp = log_softmax(x, t), lq = q.empty() ? lp : log_softmax(q, t);
    const bool counts = actions[at(t)] >= 0;
    double h = 0, d = 0;
    for (std::size_t i = 0; i < lp.size(); ++i) {
      h -= std::exp(lp[i]) * lp[i];
      d += std::exp(lp[i]) * (lp[i] - lq[i]);
    }
    out.log_probability.push_back(counts ? lp[at(actions[at(t)])] : 0);
    out.entropy.push_back(counts ? h : 0);
    out.divergence.push_back(counts ? d : 0);
    for (std::size_t i = 0; i < lp.size(); ++i) {
      const double p = std::exp(lp[i]);
      const double g =
          static_cast<double>(dl[at(t)]) * ((static_cast<index_t>(i) == actions[at(t)]) - p) -
          static_cast<double>(dh[at(t)]) * p * (lp[i] + h) +
          static_cast<double>(dd[at(t)]) * p * (lp[i] - lq[i] - d);
      out.gradient.push_back(counts ? a * g : 0);
    }
  }
  return out;
}

template <class T, class Ctx>
void policy_rows(Ctx& ctx) {
  for (const auto& [rows, columns] :
       {std::pair<index_t, index_t>{0, 3}, {1, 1}, {4, 2}, {5, 16}, {6, 33}, {60, 1000}})
    for (const margin around : margins)
      for (const double spread : {1.0, 30.0})
        for (const double a : {1.0, 0.7})
          for (const bool with_reference : {false, true}) {
            ctx.workspace().reset();
            const auto x = normals<T>(rows * columns, 1, spread),
                       q = with_reference ? normals<T>(rows * columns, 2, spread)
                                          : std::vector<T>();
            std::vector<std::int32_t> chosen;
            for (index_t t = 0; t < rows; ++t)
              chosen.push_back(t % 4 == 2 ? -1 : static_cast<std::int32_t>((t * 13) % columns));
            const auto dl = normals<T>(rows, 3), dh = normals<T>(rows, 4), dd = normals<T>(rows, 5);
            const auto expected = policy_loop(x, q, columns, chosen, a, dl, dh, dd);
            const device_matrix<Ctx, T> logits(ctx, rows, columns, x, around),
                reference(ctx, with_reference ? rows : 0, columns, q, around);
            const device_vector<Ctx, std::int32_t> actions(ctx, chosen);
            const device_vector<Ctx, T> log_probability(ctx, rows), entropy(ctx, rows),
                divergence(ctx, rows);
            Ctx::backend::policy_rows(ctx, logits.in(), reference.in(), actions.in(), a,
                                      log_probability.out(), entropy.out(), divergence.out());
            const std::string what =
                dsr1::text("policy_rows ", rows, " x ", columns, " spread ", spread, " a ", a,
                           with_reference ? " with a reference" : "");
            check_same(logits.host(), x, what + ", the logits");
            check_close(log_probability.host(), expected.log_probability, what);
            check_close(entropy.host(), expected.entropy, what + ", entropy");
            check_close(divergence.host(), expected.divergence, what + ", divergence");
            const device_vector<Ctx, T> sl(ctx, dl), sh(ctx, dh), sd(ctx, dd);
            Ctx::backend::policy_gradient_rows(ctx, logits.out(), reference.in(), actions.in(), a,
                                               sl.in(), sh.in(), sd.in());
            check_close(logits.host(), expected.gradient, what + ", gradient", spread);
            if (with_reference) check_same(reference.host(), q, what + ", the reference");
          }
}

/// A row alone has the bits that it has among others.
template <class T, class Ctx>
void policy_rows_are_independent(Ctx& ctx) {
  ctx.workspace().reset();
  const index_t rows = 37, columns = 1003;
  const auto x = normals<T>(rows * columns, 1, 3), q = normals<T>(rows * columns, 2, 3);
  std::vector<std::int32_t> chosen;
  for (index_t t = 0; t < rows; ++t) chosen.push_back(static_cast<std::int32_t>(t * 29 % columns));
  const device_matrix<Ctx, T> all(ctx, rows, columns, x), one(ctx, rows, columns, x),
      reference(ctx, rows, columns, q);
  const device_vector<Ctx, std::int32_t> actions(ctx, chosen);
  const device_vector<Ctx, T> slopes(ctx, normals<T>(rows, 3));
  std::vector<device_vector<Ctx, T>> together, alone;
  for (int i = 0; i < 3; ++i) {
    together.emplace_back(ctx, rows);
    alone.emplace_back(ctx, rows);
  }
  Ctx::backend::policy_rows(ctx, all.in(), reference.in(), actions.in(), 0.9, together[0].out(),
                            together[1].out(), together[2].out());
  Ctx::backend::policy_gradient_rows(ctx, all.out(), reference.in(), actions.in(), 0.9, slopes.in(),
                                     slopes.in(), slopes.in());
  for (index_t t = 0; t < rows; ++t) {
    const auto part = [&](const auto& v) { return v.slice_rows(t, 1); };
    Ctx::backend::policy_rows(ctx, part(one.in()), part(reference.in()), part(actions.in()), 0.9,
                              part(alone[0].out()), part(alone[1].out()), part(alone[2].out()));
    Ctx::backend::policy_gradient_rows(ctx, part(one.out()), part(reference.in()),
                                       part(actions.in()), 0.9, part(slopes.in()),
                                       part(slopes.in()), part(slopes.in()));
  }
  for (std::size_t i = 0; i < 3; ++i) check_same(alone[i].host(), together[i].host(), "alone");
  check_same(one.host(), all.host(), "alone, gradient");
}

/// Logits of +-900 give finite results; a model is at no distance from itself.
template <class T, class Ctx>
void policy_extremes(Ctx& ctx) {
  ctx.workspace().reset();
  const index_t n = 19;
  std::vector<T> x(at(4 * n), T(0));
  for (index_t i = 0; i < n; ++i) {
    x[at(i)] = static_cast<T>(100 * i - 900);  // from -900 to 900
    x[at(n + i)] = T(i == 5 ? 900 : -900);     // certain, and another action
    x[at(2 * n + i)] = T(700);                 // all equal
    x[at(3 * n + i)] = static_cast<T>(i) / T(7);
  }
  const device_matrix<Ctx, T> logits(ctx, 4, n, x), same(ctx, 4, n, x), opposite(ctx, 4, n, [&] {
    auto y = x;
    for (T& v : y) v = -v;
    return y;
  }());
  const device_vector<Ctx, std::int32_t> actions(ctx, std::vector<std::int32_t>(4, 4));
  const device_vector<Ctx, T> lp(ctx, 4), entropy(ctx, 4), divergence(ctx, 4),
      slopes(ctx, std::vector<T>(4, T(1)));
  Ctx::backend::policy_rows(ctx, logits.in(), same.in(), actions.in(), 1.0, lp.out(), entropy.out(),
                            divergence.out());
  for (const T d : divergence.host()) CHECK(d == 0);
  CHECK(lp.host()[0] == Approx(-1400));
  CHECK(lp.host()[1] == Approx(-1800));
  CHECK(entropy.host()[1] == Approx(0).margin(1e-30));
  CHECK(entropy.host()[2] == Approx(std::log(19.0)));
  Ctx::backend::policy_rows(ctx, logits.in(), opposite.in(), actions.in(), 1.0, lp.out(),
                            entropy.out(), divergence.out());
  CHECK(divergence.host()[0] == Approx(1800));
  CHECK(divergence.host()[1] == Approx(1800 + std::log(18.0)));
  CHECK(divergence.host()[2] == 0);
  Ctx::backend::policy_gradient_rows(ctx, logits.out(), opposite.in(), actions.in(), 1.0,
                                     slopes.in(), slopes.in(), slopes.in());
  for (const T d : logits.host()) CHECK(std::isfinite(d));
}

/// NaN or an infinity anywhere in a row reaches one of its results, and no other row.
template <class T, class Ctx>
void policy_not_finite(Ctx& ctx) {
  using limits = std::numeric_limits<T>;
  for (const index_t n : {1, 5, 16, 40})
    for (const T value : {limits::quiet_NaN(), limits::infinity(), -limits::infinity()})
      for (const bool in_reference : {false, true})
        for (index_t bad = 0; bad < n; ++bad) {
          ctx.workspace().reset();
          auto x = normals<T>(2 * n, 1), q = normals<T>(2 * n, 2);
          (in_reference ? q : x)[at(bad)] = value;
          const device_matrix<Ctx, T> logits(ctx, 2, n, x), reference(ctx, 2, n, q);
          const device_vector<Ctx, std::int32_t> actions(ctx, std::vector<std::int32_t>{0, 0});
          const device_vector<Ctx, T> lp(ctx, 2), entropy(ctx, 2), divergence(ctx, 2);
          Ctx::backend::policy_rows(ctx, logits.in(), reference.in(), actions.in(), 1.0, lp.out(),
                                    entropy.out(), divergence.out());
          const auto l = lp.host(), h = entropy.host(), d = divergence.host();
          REQUIRE(!(std::isfinite(l[0]) && std::isfinite(h[0]) && std::isfinite(d[0])));
          REQUIRE((std::isfinite(l[1]) && std::isfinite(h[1]) && std::isfinite(d[1])));
          Ctx::backend::policy_gradient_rows(ctx, logits.out(), reference.in(), actions.in(), 1.0,
                                             lp.in(), entropy.in(), divergence.in());
          const auto g = logits.host();
          for (index_t i = 0; i < n; ++i) REQUIRE(std::isfinite(g[at(n + i)]));
        }
}

template <class T, class Ctx>
void policy_errors(Ctx& ctx) {
  using backend = typename Ctx::backend;
  ctx.workspace().reset();
  const device_matrix<Ctx, T> logits(ctx, 2, 4), wider(ctx, 2, 5);
  const device_vector<Ctx, std::int32_t> two(ctx, std::vector<std::int32_t>{0, 0}),
      three(ctx, std::vector<std::int32_t>{0, 0, 0});
  const device_vector<Ctx, T> out(ctx, 2), longer(ctx, 3);
  const auto rows = [&](const auto& reference, const auto& actions, double a, const auto& entropy) {
    return message_of([&] {
      backend::policy_rows(ctx, logits.in(), reference, actions.in(), a, out.out(), entropy.out(),
                           out.out());
    });
  };
  const auto gradient = [&](const auto& reference, const auto& actions, double a, const auto& dh) {
    return message_of([&] {
      backend::policy_gradient_rows(ctx, logits.out(), reference, actions.in(), a, out.in(),
                                    dh.in(), out.in());
    });
  };
  const view<const T, 2> none;
  CHECK(mentions(rows(none, three, 1, out), "policy_rows", "[2, 4]", "3 actions"));
  CHECK(mentions(rows(wider.in(), two, 1, out), "policy_rows", "[2, 4]", "[2, 5]"));
  CHECK(mentions(rows(none, two, 0, out), "inverse temperature is 0"));
  CHECK(mentions(rows(none, two, 1, longer), "[2, 4]", "3 results"));
  CHECK(mentions(gradient(none, three, 1, out), "policy_gradient_rows", "[2, 4]", "3 actions"));
  CHECK(mentions(gradient(wider.in(), two, 1, out), "policy_gradient_rows", "[2, 5]"));
  CHECK(mentions(gradient(none, two, -1, out), "inverse temperature is -1"));
  CHECK(mentions(gradient(none, two, 1, longer), "[2, 4]", "3 slopes"));
}

}  // namespace battery
