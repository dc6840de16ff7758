// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Moving and adding tensors on the CPU.
#pragma once

#include <algorithm>
#include <cstring>

#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/cpu/device.hpp>
#include <dsr1/cpu/row_kernels.hpp>

namespace dsr1 {

/// Runs f(first row, number of rows) over parts of about 16,000 elements, in parallel when it pays.
template <class Ctx, class F>
void parallel_rows(Ctx& ctx, index_t rows, index_t row_size, F&& f) {
  constexpr index_t part = 16'384;
  const index_t count = std::max<index_t>(1, part / std::max<index_t>(1, row_size));
  const index_t tasks = ceil_div(rows, count);
  if (tasks <= 1) {
    if (rows > 0) f(index_t{0}, rows);
    return;
  }
  parallel_for(ctx, tasks, [&](index_t task, int) {
    const index_t first = task * count;
    f(first, std::min(count, rows - first));
  });
}

/// The group `tensor_ops` of the backend contract.
struct cpu_tensor {
  template <class Ctx, class T>
  static void fill(Ctx& ctx, view<T, 1> x, std::type_identity_t<T> value) {
    parallel_rows(ctx, x.rows(), 1,
                  [&](index_t first, index_t count) { std::fill_n(x.data + first, count, value); });
  }

  template <class Ctx, class T>
  static void fill_normal(Ctx& ctx, view<T, 1> x, const random_stream& stream, double deviation,
                          index_t offset = 0) {
    parallel_rows(ctx, x.rows(), 1, [&](index_t first, index_t count) {
      float four[4] = {};
      for (index_t i = first; i < first + count; ++i) {
        const index_t n = offset + i;
        if (i == first || n % 4 == 0) stream.normals(static_cast<std::uint64_t>(n / 4), four);
        x[i] = static_cast<T>(deviation * static_cast<double>(four[n % 4]));
      }
    });
  }

  template <class Ctx, class T>
  static void copy(Ctx& ctx, view<const T, 2> from, view<T, 2> to) {
    expect_copy(from, to);
    parallel_rows(ctx, from.rows(), from.columns(), [&](index_t first, index_t count) {
      for (index_t r = first; r < first + count; ++r)
        std::copy_n(from.row(r), from.columns(), to.row(r));
    });
  }

  template <class Ctx, class T>
  static void add(Ctx& ctx, view<const T, 2> x, view<T, 2> y) {
    expect_add(x, y);
    simd::dispatch<T>(ctx.device().instructions(), [&](auto instructions) {
      using kernels = simd::row_kernels<decltype(instructions)>;
      parallel_rows(ctx, x.rows(), x.columns(), [&](index_t first, index_t count) {
        for (index_t r = first; r < first + count; ++r)
          kernels::add(x.row(r), y.row(r), x.columns());
      });
    });
  }

  template <class Ctx, class T>
  static void scale(Ctx& ctx, view<T, 1> x, std::type_identity_t<T> a) {
    parallel_rows(ctx, x.rows(), 1, [&](index_t first, index_t count) {
      for (index_t i = first; i < first + count; ++i) x[i] *= a;
    });
  }

  template <class Ctx, class T>
  static double dot(Ctx&, view<const T, 1> x, view<const T, 1> y) {
    expect_dot(x, y);
    double sum = 0;
    for (index_t i = 0; i < x.rows(); ++i)
      sum += static_cast<double>(x[i]) * static_cast<double>(y[i]);
    return sum;
  }

  template <class Ctx, class T>
  static void upload(Ctx&, const T* host, view<T, 1> x) {
    if (x.rows() > 0) std::memcpy(x.data, host, static_cast<std::size_t>(x.rows()) * sizeof(T));
  }

  template <class Ctx, class T>
  static void download(Ctx&, view<const T, 1> x, T* host) {
    if (x.rows() > 0) std::memcpy(host, x.data, static_cast<std::size_t>(x.rows()) * sizeof(T));
  }
};

}  // namespace dsr1
