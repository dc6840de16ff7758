// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The battery of gated units; see backend/glu_ops.hpp.
#pragma once

#include <cmath>
#include <limits>

#include "battery/device.hpp"

#include <dsr1/backend/glu_ops.hpp>

namespace battery {

inline constexpr std::pair<index_t, index_t> glu_sizes[] = {{0, 3},  {3, 0},  {1, 1},   {5, 7},
                                                            {2, 16}, {3, 33}, {700, 20}};
inline constexpr dsr1::glu units[] = {
    dsr1::glu::swiglu(), dsr1::glu::clamped_swiglu(), {.alpha = 0.5, .limit = 1, .offset = -0.25}};

inline double unit_value(const dsr1::glu& f, double g, double u) {
  g = std::min(g, f.limit);
  u = std::clamp(u, -f.limit, f.limit);
  return g / (1 + std::exp(-f.alpha * g)) * (u + f.offset);
}

template <class T, class Ctx>
void gated_unit(Ctx& ctx) {
  for (const dsr1::glu& f : units)
    for (const auto& [rows, hidden] : glu_sizes)
      for (const margin around : margins) {
        ctx.workspace().reset();
        const auto x = normals<T>(rows * 2 * hidden, 1, 4), dy = normals<T>(rows * hidden, 2);
        const device_matrix<Ctx, T> in(ctx, rows, 2 * hidden, x, around),
            out(ctx, rows, hidden, around);
        const device_matrix<Ctx, T> grad(ctx, rows, hidden, dy, around),
            dx(ctx, rows, 2 * hidden, around);
        Ctx::backend::gated_unit(ctx, f, in.in(), out.out());
        Ctx::backend::gated_unit_backward(ctx, f, grad.in(), in.in(), dx.out());
        std::vector<double> y, d;
        for (index_t i = 0; i < rows * hidden; ++i) {
          const double g = static_cast<double>(x[at(2 * i)]),
                       u = static_cast<double>(x[at(2 * i + 1)]);
          y.push_back(unit_value(f, g, u));
          const double gate = std::min(g, f.limit),
                       up = std::clamp(u, -f.limit, f.limit) + f.offset;
          const double s = 1 / (1 + std::exp(-f.alpha * gate)),
                       upstream = static_cast<double>(dy[at(i)]);
          d.push_back(g > f.limit ? 0 : upstream * up * (s + gate * f.alpha * s * (1 - s)));
          d.push_back(std::abs(u) > f.limit ? 0 : upstream * gate * s);
        }
        const std::string what = dsr1::text("gated_unit ", rows, " x ", hidden, " alpha ", f.alpha);
        check_close(out.host(), y, what);
        check_close(dx.host(), d, what + ", backward");
      }
}

/// Gates and linear parts that no exponential survives, exactly at a clamp, and NaN.
template <class T, class Ctx>
void gated_unit_extremes(Ctx& ctx) {
  const std::vector<T> pairs = {0,       0,    90,       2, -90, 2, 1000, 1,  -1000,  1,
                                T(1e30), 3,    T(-1e30), 3, 7,   7, 7,    -7, T(7.5), T(7.5),
                                1,       -100, -100,     1, 88,  1, -88,  1};
  const index_t n = static_cast<index_t>(pairs.size()) / 2;
  for (const dsr1::glu& f : units) {
    ctx.workspace().reset();
    const device_matrix<Ctx, T> in(ctx, 1, 2 * n, pairs), out(ctx, 1, n),
        ones(ctx, 1, n, std::vector<T>(at(n), T(1))), dx(ctx, 1, 2 * n);
    Ctx::backend::gated_unit(ctx, f, in.in(), out.out());
    Ctx::backend::gated_unit_backward(ctx, f, ones.in(), in.in(), dx.out());
    const auto y = out.host(), d = dx.host();
    for (index_t i = 0; i < n; ++i) {
      const double g = static_cast<double>(pairs[at(2 * i)]),
                   u = static_cast<double>(pairs[at(2 * i + 1)]);
      const double expected = unit_value(f, g, u);
      CAPTURE(g, u, f.limit, y[at(i)], expected);
      // Very negative gates vanish: how close to zero depends on where the exponential is capped.
      CHECK(std::abs(static_cast<double>(y[at(i)]) - expected) <=
            tolerance<T>() * std::max(1.0, std::abs(expected)));
      CHECK(std::isfinite(d[at(2 * i)]));
      CHECK(std::isfinite(d[at(2 * i + 1)]));
      if (g > f.limit) CHECK(d[at(2 * i)] == 0);
      if (g == f.limit) CHECK(d[at(2 * i)] != 0);
      if (std::abs(u) > f.limit) CHECK(d[at(2 * i + 1)] == 0);
      if (std::abs(u) == f.limit && g > 0) CHECK(d[at(2 * i + 1)] != 0);
    }
  }
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const device_matrix<Ctx, T> in(ctx, 1, 6, {nan, 1, 1, nan, 1, 1}), out(ctx, 1, 3);
  for (const dsr1::glu& f : units) {
    Ctx::backend::gated_unit(ctx, f, in.in(), out.out());
    const auto y = out.host();
    CHECK(std::isnan(y[0]));  // a clamp does not hide NaN
    CHECK(std::isnan(y[1]));
    CHECK(std::isfinite(y[2]));
  }
}

template <class T, class Ctx>
void glu_errors(Ctx& ctx) {
  using backend = typename Ctx::backend;
  ctx.workspace().reset();
  const device_matrix<Ctx, T> x(ctx, 3, 8), y(ctx, 3, 4), wrong(ctx, 3, 5), short_y(ctx, 2, 4);
  const dsr1::glu f;
  CHECK(mentions(message_of([&] { backend::gated_unit(ctx, f, x.in(), wrong.out()); }), "[3, 8]",
                 "[3, 5]", "twice"));
  CHECK(mentions(message_of([&] { backend::gated_unit(ctx, f, x.in(), short_y.out()); }), "[3, 8]",
                 "[2, 4]"));
  CHECK(mentions(
      message_of([&] { backend::gated_unit_backward(ctx, f, wrong.in(), x.in(), x.out()); }),
      "[3, 5]", "[3, 8]"));
  CHECK(mentions(message_of([&] { backend::gated_unit_backward(ctx, f, y.in(), x.in(), y.out()); }),
                 "[3, 4]", "[3, 8]", "dx [3, 4]"));
}

}  // namespace battery
