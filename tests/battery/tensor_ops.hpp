// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The battery of whole-tensor operations; see backend/tensor_ops.hpp.
#pragma once

#include "battery/device.hpp"

#include <dsr1/backend/tensor_ops.hpp>

namespace battery {

inline const index_t tensor_sizes[] = {0, 1, 2, 15, 16, 17, 1000, 40'001};

template <class T, class Ctx>
void fill_and_scale(Ctx& ctx) {
  for (const index_t n : tensor_sizes) {
    ctx.workspace().reset();
    const device_vector<Ctx, T> x(ctx, n);
    Ctx::backend::fill(ctx, x.out(), T(1.5));
    check_same(x.host(), std::vector<T>(at(n), T(1.5)), "fill");
    Ctx::backend::scale(ctx, x.out(), T(-2));
    check_same(x.host(), std::vector<T>(at(n), T(-3)), "scale");
  }
}

template <class T, class Ctx>
void fill_normal(Ctx& ctx) {
  const dsr1::random_stream stream(5, 6);
  for (const index_t n : tensor_sizes) {
    ctx.workspace().reset();
    const device_vector<Ctx, T> x(ctx, n);
    Ctx::backend::fill_normal(ctx, x.out(), stream, 0.25);
    std::vector<T> expected;
    for (index_t i = 0; i < n; ++i)
      expected.push_back(static_cast<T>(0.25 * stream.normal(static_cast<std::uint64_t>(i))));
    check_same(x.host(), expected, "fill_normal");
  }
}

template <class T, class Ctx>
void copy_and_add(Ctx& ctx) {
  const std::pair<index_t, index_t> sizes[] = {{0, 3},  {3, 0},  {1, 1},    {1, 17},
                                               {5, 16}, {7, 33}, {700, 31}, {2, 20'000}};
  for (const auto& [rows, columns] : sizes)
    for (const margin from : margins)
      for (const margin to : margins) {
        ctx.workspace().reset();
        const auto a = normals<T>(rows * columns, 1), b = normals<T>(rows * columns, 2);
        const device_matrix<Ctx, T> x(ctx, rows, columns, a, from), y(ctx, rows, columns, to),
            z(ctx, rows, columns, b, to);
        Ctx::backend::copy(ctx, x.in(), y.out());
        check_same(y.host(), a, "copy");
        Ctx::backend::add(ctx, x.in(), z.out());
        std::vector<T> sum;
        for (std::size_t i = 0; i < a.size(); ++i) sum.push_back(b[i] + a[i]);
        check_same(z.host(), sum, "add");
        check_same(x.host(), a, "the operand");
      }
}

template <class T, class Ctx>
void dot(Ctx& ctx) {
  for (const index_t n : tensor_sizes) {
    ctx.workspace().reset();
    const auto a = normals<T>(n, 1), b = normals<T>(n, 2);
    const device_vector<Ctx, T> x(ctx, a), y(ctx, b);
    double expected = 0, magnitude = 0;
    for (index_t i = 0; i < n; ++i) {
      expected += static_cast<double>(a[at(i)]) * static_cast<double>(b[at(i)]);
      magnitude += std::abs(static_cast<double>(a[at(i)]) * static_cast<double>(b[at(i)]));
    }
    const double result = Ctx::backend::dot(ctx, x.in(), y.in());
    CHECK(std::abs(result - expected) <= 1e-12 * magnitude);  // in double, whatever T is
    CHECK(Ctx::backend::dot(ctx, x.in(), y.in()) == result);
  }
}

template <class T, class Ctx>
void tensor_errors(Ctx& ctx) {
  ctx.workspace().reset();
  const device_matrix<Ctx, T> x(ctx, 3, 4), y(ctx, 4, 3);
  const device_vector<Ctx, T> a(ctx, 3), b(ctx, 4);
  CHECK(mentions(message_of([&] { Ctx::backend::copy(ctx, x.in(), y.out()); }), "copy", "[3, 4]",
                 "[4, 3]"));
  CHECK(mentions(message_of([&] { Ctx::backend::add(ctx, x.in(), y.out()); }), "add", "[3, 4]",
                 "[4, 3]"));
  CHECK(mentions(message_of([&] { Ctx::backend::dot(ctx, a.in(), b.in()); }), "dot", "3 by 4"));
}

}  // namespace battery
