// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Moving rows by index on a CUDA device.

#include "battery/row_ops.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/row_ops.cuh>

using namespace dsr1;

namespace {

using backend = cuda_part<cuda_rows>;
using ctx_type = context<backend>;
static_assert(row_ops<ctx_type, float> && row_ops<ctx_type, double>);

template <class T>
using device_matrix = battery::device_matrix<ctx_type, T>;
using battery::at;

}  // namespace

TEMPLATE_TEST_CASE("cuda row_ops: battery", "[cuda]", float, double) {
  ctx_type ctx;
  battery::gather_and_scatter<TestType>(ctx);
  battery::combine<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cuda row_ops: errors", "[cuda]", float, double) {
  ctx_type ctx;
  battery::row_errors<TestType>(ctx);
}

TEMPLATE_TEST_CASE("cuda row_ops: targets that share a key keep their rows and their order",
                   "[cuda]", float, double) {
  using T = TestType;
  ctx_type ctx;
  const index_t table = 2 * hashed_keys + 5, n = 150, columns = 6;
  // Row 3 takes many sources, more than a warp reads at a time; its hash has two others.
  std::vector<std::int32_t> rows;
  for (index_t i = 0; i < n; ++i)
    rows.push_back(static_cast<std::int32_t>(
        i % 10 == 4 ? -1 : 3 + i % 7 / 5 * hashed_keys + i % 11 / 10 * hashed_keys));
  const auto x = battery::normals<T>(table * columns, 1), y = battery::normals<T>(n * columns, 2);
  const device_matrix<T> add(ctx, n, columns, y), sum(ctx, table, columns, x);
  const battery::device_vector<ctx_type, std::int32_t> ids(ctx, rows);
  backend::scatter_add_rows(ctx, add.in(), ids.in(), sum.out());
  std::vector<T> expected = x;
  for (index_t i = 0; i < n; ++i)
    for (index_t c = 0; c < columns && rows[at(i)] >= 0; ++c)
      expected[at(rows[at(i)] * columns + c)] += y[at(i * columns + c)];
  battery::check_same(sum.host(), expected, "scatter_add_rows");
}

TEMPLATE_TEST_CASE("cuda row_ops: wide rows, aligned or not and alone or not, the same bits",
                   "[cuda]", float, double) {
  using T = TestType;
  ctx_type ctx;
  const index_t n = 3, k = 2;
  for (const index_t columns : {index_t{4}, cuda_kernels::row_tile<T>,
                                cuda_kernels::row_tile<T> + 4, 2 * cuda_kernels::row_tile<T> + 1}) {
    ctx.workspace().reset();
    const index_t rows = n * k;
    const auto x = battery::normals<T>(rows * columns, 1), dy = battery::normals<T>(n * columns, 2),
               w = battery::normals<T>(n * k, 3);
    const std::vector<std::int32_t> slots = {5, 0, 2, -1, 4, 1}, all = {5, 4, 3, 2, 1, 0};
    const auto table = battery::device_table(ctx, slots, n, k);
    const device_matrix<T> weights(ctx, n, k, w);
    const battery::device_vector<ctx_type, std::int32_t> order(ctx, all);
    struct results {
      std::vector<T> gathered, added, y, dx, dweights;
      bool operator==(const results&) const = default;
    };
    const auto go = [&](battery::margin around, bool alone) {
      const device_matrix<T> in(ctx, rows, columns, x, around), grad(ctx, n, columns, dy, around),
          g(ctx, rows, columns, around), s(ctx, rows, columns, x, around),
          y(ctx, n, columns, around), dx(ctx, rows, columns, around), dw(ctx, n, k);
      backend::gather_rows(ctx, in.in(), order.in(), g.out());
      backend::scatter_add_rows(ctx, in.in(), order.in(), s.out());
      const index_t step = alone ? 1 : n;
      for (index_t t = 0; t < n; t += step) {
        backend::combine_rows(ctx, in.in(), table.slice_rows(t, step),
                              weights.in().slice_rows(t, step), y.out().slice_rows(t, step));
        backend::combine_rows_backward(ctx, grad.in().slice_rows(t, step), in.in(),
                                       table.slice_rows(t, step), weights.in().slice_rows(t, step),
                                       dx.out(), dw.out().slice_rows(t, step));
      }
      return results{g.host(), s.host(), y.host(), dx.host(), dw.host()};
    };
    const results whole = go({0, 0}, false);
    CHECK(whole == go({0, 0}, true));
    CHECK(whole == go({1, 2}, false));
    CHECK(whole == go({4, 4}, true));
    for (index_t i = 0; i < rows * columns; ++i) {
      const index_t r = i / columns, c = i % columns;
      REQUIRE(whole.gathered[at(i)] == x[at((rows - 1 - r) * columns + c)]);
      REQUIRE(whole.added[at(i)] == x[at(i)] + x[at((rows - 1 - r) * columns + c)]);
    }
    std::vector<double> y(at(n * columns)), dw(at(n * k));
    for (index_t t = 0; t < n; ++t)
      for (index_t j = 0; j < k; ++j)
        for (index_t c = 0; c < columns && slots[at(t * k + j)] >= 0; ++c) {
          const auto v = static_cast<double>(x[at(slots[at(t * k + j)] * columns + c)]);
          y[at(t * columns + c)] += static_cast<double>(w[at(t * k + j)]) * v;
          dw[at(t * k + j)] += static_cast<double>(dy[at(t * columns + c)]) * v;
        }
    battery::check_close(whole.y, y, "combine_rows");
    battery::check_close(whole.dweights, dw, "dweights");
  }
}
