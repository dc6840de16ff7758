// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The battery of cross-entropy on rows of logits; see backend/loss_ops.hpp.
#pragma once

#include <cmath>
#include <limits>

#include "battery/device.hpp"

#include <dsr1/backend/loss_ops.hpp>

namespace battery {

template <class T, class Ctx>
void cross_entropy_rows(Ctx& ctx) {
  for (const auto& [rows, columns] :
       {std::pair<index_t, index_t>{0, 3}, {1, 1}, {4, 2}, {5, 16}, {6, 33}, {100, 1000}})
    for (const margin around : margins)
      for (const double spread : {1.0, 30.0})
        for (const double z : {0.0, 0.1})
          for (const auto become :
               {dsr1::logits_become::gradient, dsr1::logits_become::undefined}) {
            ctx.workspace().reset();
            const auto x = normals<T>(rows * columns, 1, spread);
            std::vector<std::int32_t> wanted;
            for (index_t t = 0; t < rows; ++t)
              wanted.push_back(t % 4 == 2 ? -1 : static_cast<std::int32_t>((t * 13) % columns));
            const device_matrix<Ctx, T> logits(ctx, rows, columns, x, around);
            const device_vector<Ctx, std::int32_t> targets(ctx, wanted);
            const device_vector<Ctx, T> loss(ctx, rows);
            const double scale = 0.75;
            Ctx::backend::cross_entropy_rows(ctx, logits.out(), targets.in(), scale, z, become,
                                             loss.out());
            std::vector<double> expected, gradient;
            for (index_t t = 0; t < rows; ++t) {
              double top = -std::numeric_limits<double>::infinity(), sum = 0;
              for (index_t i = 0; i < columns; ++i)
                top = std::max(top, static_cast<double>(x[at(t * columns + i)]));
              for (index_t i = 0; i < columns; ++i)
                sum += std::exp(static_cast<double>(x[at(t * columns + i)]) - top);
              const double lse = top + std::log(sum);
              const index_t target = wanted[at(t)];
              expected.push_back(target < 0
                                     ? 0
                                     : lse - static_cast<double>(x[at(t * columns + target)]) +
                                           z * lse * lse);
              for (index_t i = 0; i < columns; ++i) {
                const double p = std::exp(static_cast<double>(x[at(t * columns + i)]) - lse);
                gradient.push_back(target < 0 ? 0
                                              : scale * (p * (1 + 2 * z * lse) - (i == target)));
              }
            }
            const std::string what = dsr1::text("cross_entropy_rows ", rows, " x ", columns,
                                                " spread ", spread, " z ", z);
            check_close(loss.host(), expected, what);
            if (become == dsr1::logits_become::gradient)
              check_close(logits.host(), gradient, what + ", gradient");
          }
}

/// Logits of any finite size give a finite loss; without z a row of the gradient sums to zero.
template <class T, class Ctx>
void cross_entropy_extremes(Ctx& ctx) {
  ctx.workspace().reset();
  const index_t n = 19;
  std::vector<T> x(at(4 * n), T(0));
  for (index_t i = 0; i < n; ++i) x[at(i)] = T(i == 4 ? 1e4 : -1e4);      // certain, and right
  for (index_t i = 0; i < n; ++i) x[at(n + i)] = T(i == 5 ? 1e4 : -1e4);  // certain, and wrong
  for (index_t i = 0; i < n; ++i) x[at(2 * n + i)] = T(3e4);              // all equal
  for (index_t i = 0; i < n; ++i) x[at(3 * n + i)] = -std::numeric_limits<T>::infinity();
  x[at(3 * n + 4)] = 2;  // all others excluded
  const device_matrix<Ctx, T> logits(ctx, 4, n, x);
  const device_vector<Ctx, std::int32_t> targets(ctx, std::vector<std::int32_t>(4, 4));
  const device_vector<Ctx, T> loss(ctx, 4);
  Ctx::backend::cross_entropy_rows(ctx, logits.out(), targets.in(), 1.0, 0.0,
                                   dsr1::logits_become::gradient, loss.out());
  const auto l = loss.host(), d = logits.host();
  CHECK(l[0] == 0);
  CHECK(l[1] == Approx(2e4));
  CHECK(l[2] == Approx(std::log(19.0)).epsilon(1e-3));
  CHECK(l[3] == 0);
  for (index_t t = 0; t < 4; ++t) {
    double sum = 0;
    for (index_t i = 0; i < n; ++i) sum += static_cast<double>(d[at(t * n + i)]);
    CHECK(std::abs(sum) < 10 * tolerance<T>());
  }
}

/// NaN anywhere in a row reaches its loss, so that the loss can report it.
template <class T, class Ctx>
void cross_entropy_nan(Ctx& ctx) {
  for (const index_t n : {1, 5, 16, 40})
    for (index_t bad = 0; bad < n; ++bad) {
      ctx.workspace().reset();
      auto x = normals<T>(2 * n, 1);
      x[at(bad)] = std::numeric_limits<T>::quiet_NaN();
      const device_matrix<Ctx, T> logits(ctx, 2, n, x);
      const device_vector<Ctx, std::int32_t> targets(ctx, std::vector<std::int32_t>{0, 0});
      const device_vector<Ctx, T> loss(ctx, 2);
      Ctx::backend::cross_entropy_rows(ctx, logits.out(), targets.in(), 1.0, 0.0,
                                       dsr1::logits_become::undefined, loss.out());
      const auto l = loss.host();
      REQUIRE(std::isnan(l[0]));
      REQUIRE(std::isfinite(l[1]));
    }
}

template <class T, class Ctx>
void loss_errors(Ctx& ctx) {
  using backend = typename Ctx::backend;
  ctx.workspace().reset();
  const device_matrix<Ctx, T> logits(ctx, 2, 4);
  const device_vector<Ctx, std::int32_t> two(ctx, std::vector<std::int32_t>{0, 0}),
      three(ctx, std::vector<std::int32_t>{0, 0, 0});
  const device_vector<Ctx, T> loss(ctx, 2), longer(ctx, 3);
  const auto become = dsr1::logits_become::undefined;
  CHECK(mentions(message_of([&] {
                   backend::cross_entropy_rows(ctx, logits.out(), three.in(), 1.0, 0.0, become,
                                               loss.out());
                 }),
                 "[2, 4]", "3 targets"));
  CHECK(mentions(message_of([&] {
                   backend::cross_entropy_rows(ctx, logits.out(), two.in(), 1.0, 0.0, become,
                                               longer.out());
                 }),
                 "[2, 4]", "3 losses"));
}

}  // namespace battery
