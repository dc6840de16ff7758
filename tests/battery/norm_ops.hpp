// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The battery of RMSNorm; see backend/norm_ops.hpp.
#pragma once

#include <cmath>

#include "battery/device.hpp"

#include <dsr1/backend/norm_ops.hpp>
#include <dsr1/core/float16.hpp>

namespace battery {

inline constexpr std::pair<index_t, index_t> norm_sizes[] = {{0, 5},  {1, 1},    {1, 7},    {7, 16},
                                                             {3, 33}, {300, 20}, {129, 256}};

template <class T, class Ctx>
void rms_norm(Ctx& ctx) {
  for (const auto& [rows, columns] : norm_sizes)
    for (const margin around : margins)
      for (const bool weighted : {false, true})
        for (const double eps : {0.0, 1e-5, 0.5}) {
          ctx.workspace().reset();
          const auto x = normals<T>(rows * columns, 1), w = normals<T>(columns, 2);
          const device_matrix<Ctx, T> in(ctx, rows, columns, x, around),
              out(ctx, rows, columns, around);
          const device_vector<Ctx, T> weight(ctx, w), inverse(ctx, rows);
          Ctx::backend::rms_norm(ctx, in.in(), weighted ? weight.in() : view<const T, 1>(), eps,
                                 dsr1::norm_rounding::none, out.out(), inverse.out());
          std::vector<double> y, r;
          for (index_t t = 0; t < rows; ++t) {
            double squares = 0;
            for (index_t i = 0; i < columns; ++i)
              squares += std::pow(static_cast<double>(x[at(t * columns + i)]), 2);
            r.push_back(1 / std::sqrt(squares / static_cast<double>(columns) + eps));
            for (index_t i = 0; i < columns; ++i)
              y.push_back(static_cast<double>(x[at(t * columns + i)]) * r.back() *
                          (weighted ? static_cast<double>(w[at(i)]) : 1));
          }
          const std::string what = dsr1::text("rms_norm ", rows, " x ", columns, " eps ", eps,
                                              weighted ? " weighted" : "");
          check_close(out.host(), y, what);
          check_close(inverse.host(), r, what + ", the inverse root");
        }
}

template <class T, class Ctx>
void rms_norm_of_zeros(Ctx& ctx) {
  ctx.workspace().reset();
  const device_matrix<Ctx, T> in(ctx, 2, 9, std::vector<T>(18)), out(ctx, 2, 9);
  const device_vector<Ctx, T> inverse(ctx, 2);
  Ctx::backend::rms_norm(ctx, in.in(), view<const T, 1>(), 0.25, dsr1::norm_rounding::none,
                         out.out(), inverse.out());
  check_same(out.host(), std::vector<T>(18), "norm of zeros");
  check_same(inverse.host(), std::vector<T>(2, T(2)), "inverse root of eps");
}

/// Where a model rounds to bfloat16, against a loop over bf16; the inverse root is the backend's.
template <class T, class Ctx>
void rms_norm_roundings(Ctx& ctx) {
  using dsr1::bf16;
  auto round = [](T v) { return static_cast<T>(static_cast<float>(bf16(static_cast<float>(v)))); };
  for (const auto& [rows, columns] : norm_sizes)
    for (const margin around : margins)
      for (const bool weighted : {false, true})
        for (const dsr1::norm_rounding rounding :
             {dsr1::norm_rounding::after_weight, dsr1::norm_rounding::before_weight}) {
          ctx.workspace().reset();
          const auto x = normals<T>(rows * columns, 1), w = normals<T>(columns, 2);
          const device_matrix<Ctx, T> in(ctx, rows, columns, x, around),
              out(ctx, rows, columns, around);
          const device_vector<Ctx, T> weight(ctx, w), inverse(ctx, rows);
          Ctx::backend::rms_norm(ctx, in.in(), weighted ? weight.in() : view<const T, 1>(), 1e-5,
                                 rounding, out.out(), inverse.out());
          const auto r = inverse.host();
          std::vector<T> y;
          for (index_t t = 0; t < rows; ++t)
            for (index_t i = 0; i < columns; ++i) {
              const T scaled = x[at(t * columns + i)] * r[at(t)], a = weighted ? w[at(i)] : T(1);
              y.push_back(rounding == dsr1::norm_rounding::before_weight ? round(a * round(scaled))
                                                                         : round(a * scaled));
            }
          check_same(out.host(), y, dsr1::text("rounded rms_norm ", rows, " x ", columns));
        }
}

template <class T, class Ctx>
void rms_norm_backward(Ctx& ctx) {
  for (const auto& [rows, columns] : norm_sizes)
    for (const margin around : margins)
      for (const bool weighted : {false, true})
        for (const accumulate add : {accumulate::no, accumulate::yes}) {
          ctx.workspace().reset();
          const auto x = normals<T>(rows * columns, 1), w = normals<T>(columns, 2),
                     dy = normals<T>(rows * columns, 3);
          const auto start = normals<T>(columns, 4), r = normals<T>(rows, 5);  // any r will do
          const device_matrix<Ctx, T> in(ctx, rows, columns, x, around),
              grad(ctx, rows, columns, dy, around), dx(ctx, rows, columns, around);
          const device_vector<Ctx, T> weight(ctx, w), inverse(ctx, r), dw(ctx, start);
          Ctx::backend::rms_norm_backward(ctx, grad.in(), in.in(),
                                          weighted ? weight.in() : view<const T, 1>(), inverse.in(),
                                          dx.out(), dw.out(), add);
          std::vector<double> expected, sums = doubles(start);
          if (weighted && add == accumulate::no) sums.assign(at(columns), 0);
          for (index_t t = 0; t < rows; ++t) {
            auto value = [&](const std::vector<T>& v, index_t i) {
              return static_cast<double>(v[at(t * columns + i)]);
            };
            auto scaled = [&](index_t i) {
              return value(dy, i) * (weighted ? static_cast<double>(w[at(i)]) : 1);
            };
            const double root = static_cast<double>(r[at(t)]);
            double mean = 0;
            for (index_t i = 0; i < columns; ++i)
              mean += scaled(i) * value(x, i) / static_cast<double>(columns);
            for (index_t i = 0; i < columns; ++i) {
              expected.push_back(root * (scaled(i) - value(x, i) * root * root * mean));
              if (weighted) sums[at(i)] += value(dy, i) * value(x, i) * root;
            }
          }
          const std::string what =
              dsr1::text("rms_norm_backward ", rows, " x ", columns, weighted ? " weighted" : "");
          check_close(dx.host(), expected, what);
          check_close(dw.host(), sums, what + ", the weight");  // untouched without a weight
        }
}

template <class T, class Ctx>
void norm_errors(Ctx& ctx) {
  using backend = typename Ctx::backend;
  ctx.workspace().reset();
  const auto rounding = dsr1::norm_rounding::none;
  const device_matrix<Ctx, T> x(ctx, 3, 4), y(ctx, 3, 5);
  const device_vector<Ctx, T> three(ctx, 3), four(ctx, 4);
  const view<const T, 1> none;
  CHECK(mentions(
      message_of([&] { backend::rms_norm(ctx, x.in(), none, 0, rounding, y.out(), three.out()); }),
      "[3, 4]", "[3, 5]"));
  CHECK(mentions(
      message_of([&] { backend::rms_norm(ctx, x.in(), none, 0, rounding, x.out(), four.out()); }),
      "[3, 4]", "[4]"));
  CHECK(mentions(message_of([&] {
                   backend::rms_norm(ctx, x.in(), three.in(), 0, rounding, x.out(), three.out());
                 }),
                 "weight", "[3]", "[3, 4]"));
  CHECK(mentions(message_of([&] {
                   backend::rms_norm_backward(ctx, x.in(), y.in(), none, three.in(), y.out(),
                                              view<T, 1>(), accumulate::no);
                 }),
                 "[3, 4]", "[3, 5]"));
  CHECK(mentions(message_of([&] {
                   backend::rms_norm_backward(ctx, x.in(), x.in(), none, four.in(), x.out(),
                                              view<T, 1>(), accumulate::no);
                 }),
                 "inverse", "[4]"));
  CHECK(mentions(message_of([&] {
                   backend::rms_norm_backward(ctx, x.in(), x.in(), none, three.in(), y.out(),
                                              view<T, 1>(), accumulate::no);
                 }),
                 "dx [3, 5]"));
  CHECK(mentions(message_of([&] {
                   backend::rms_norm_backward(ctx, x.in(), x.in(), three.in(), three.in(), x.out(),
                                              three.out(), accumulate::no);
                 }),
                 "weight", "[3]"));
  CHECK(mentions(message_of([&] {
                   backend::rms_norm_backward(ctx, x.in(), x.in(), four.in(), three.in(), x.out(),
                                              three.out(), accumulate::no);
                 }),
                 "weight", "[3]"));
}

}  // namespace battery
