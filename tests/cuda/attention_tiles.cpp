// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The tiles of attention: which sequence they belong to, and their two products.

#include "battery/device.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/attention_tiles.cuh>

using namespace dsr1;

namespace {

using part = cuda_part<cuda_tensor>;
using namespace cuda_kernels;

__global__ void runs_of_each(view<const attention_run, 1> runs, view<index_t, 2> begins) {
  const index_t n = thread_number();
  if (n < runs[runs.rows() - 1].rows) begins(0, n) = run_of(runs, &attention_run::rows, n).s.begin;
  if (n < runs[runs.rows() - 1].tiles)
    begins(1, n) = run_of(runs, &attention_run::tiles, n).s.begin;
  if (n < runs[runs.rows() - 1].blocks)
    begins(2, n) = run_of(runs, &attention_run::blocks, n).s.begin;
}

/// scores = a b^T and sums = scores x, of one tile.
template <class T, int Columns>
__global__ void products(view<const T, 2> a, view<const T, 2> b, view<const T, 2> x,
                         view<T, 2> scores, view<T, 2> sums, bool few) {
  __shared__ tile_memory<T> m;
  const auto row_of = [](const view<const T, 2>& from) {
    return [&from](int r) { return r < from.rows() ? from.row(r) : nullptr; };
  };
  T s[warp_rows], sum[warp_rows][Columns] = {};
  scores_of(s, m, row_of(a), row_of(b), a.columns(), few, false);
  accumulate_rows(sum, m, s, row_of(x), 0, x.columns(), few, false, 0, static_cast<int>(b.rows()));
  for (int i = 0; i < warp_rows; ++i) {
    const int r = row_of_warp(i);
    if (r >= a.rows()) continue;
    if (lane_number() < b.rows()) scores(r, lane_number()) = s[i];
    for (int c = 0; c < Columns; ++c)
      if (const int column = lane_number() + c * warp_size; column < x.columns())
        sums(r, column) = sum[i][c];
  }
}

}  // namespace

TEST_CASE("cuda attention_tiles: the sequence of a row, a tile and a block", "[cuda]") {
  context<part> ctx;
  const std::vector<sequence> list = {{.begin = 0, .length = 0},
                                      {.begin = 0, .length = 33, .position = 31},
                                      {.begin = 33, .length = 0, .position = 5},
                                      {.begin = 33, .length = 1, .position = 64},
                                      {.begin = 34, .length = 20},
                                      {.begin = 54, .length = 0}};
  attention_run last;
  const auto runs = runs_on_device(ctx, sequence_layout(list), 2, last);
  CHECK(last.rows == 54);
  CHECK(last.tiles == 3 + 1 + 2);
  CHECK(last.blocks == 2 + 1 + 1);
  const battery::device_matrix<context<part>, index_t> begins(ctx, 3, 54);
  launch_each(ctx, "runs_of_each", 54, runs_of_each, runs, begins.out());
  const auto found = begins.host();
  for (std::size_t i = 0; i < 54; ++i) CHECK(found[i] == (i < 33 ? 0 : i < 34 ? 33 : 34));
  CHECK(std::vector<index_t>(found.begin() + 54, found.begin() + 60) ==
        std::vector<index_t>{0, 0, 0, 33, 34, 34});
  CHECK(std::vector<index_t>(found.begin() + 108, found.begin() + 112) ==
        std::vector<index_t>{0, 0, 33, 34});
}

TEMPLATE_TEST_CASE("cuda attention_tiles: products of all sizes", "[cuda]", float, double) {
  context<part> ctx;
  using matrix = battery::device_matrix<context<part>, TestType>;
  const auto check = [&](auto lane_columns, index_t rows, index_t keys, index_t size,
                         index_t columns) {
    ctx.workspace().reset();
    const auto a = battery::normals<TestType>(rows * size, 1),
               b = battery::normals<TestType>(keys * size, 2),
               x = battery::normals<TestType>(keys * columns, 3);
    const matrix da(ctx, rows, size, a, {1, 2}), db(ctx, keys, size, b, {3, 0}),
        dx(ctx, keys, columns, x), scores(ctx, rows, keys), sums(ctx, rows, columns);
    launch(ctx, "products", 1, tile_threads, products<TestType, lane_columns()>, da.in(), db.in(),
           dx.in(), scores.out(), sums.out(), rows <= 2 * tile_warps);
    std::vector<double> s, y(static_cast<std::size_t>(rows * columns));
    for (index_t r = 0; r < rows; ++r)
      for (index_t j = 0; j < keys; ++j) {
        double dot = 0;
        for (index_t c = 0; c < size; ++c)
          dot += static_cast<double>(a[battery::at(r * size + c)]) *
                 static_cast<double>(b[battery::at(j * size + c)]);
        s.push_back(dot);
        for (index_t c = 0; c < columns; ++c)
          y[battery::at(r * columns + c)] +=
              dot * static_cast<double>(x[battery::at(j * columns + c)]);
      }
    const auto what = text(rows, " by ", keys, ", ", size, " and ", columns, " columns");
    battery::check_close(scores.host(), s, what);
    battery::check_close(sums.host(), y, what, 4);
  };
  using std::integral_constant;
  check(integral_constant<int, 1>(), 32, 32, 1, 32);
  check(integral_constant<int, 1>(), 9, 31, 63, 31);
  check(integral_constant<int, 2>(), 8, 32, 64, 33);
  check(integral_constant<int, 4>(), 1, 1, 65, 128);
  check(integral_constant<int, 4>(), 32, 5, 127, 70);
  check(integral_constant<int, 8>(), 31, 32, 129, 256);
  check(integral_constant<int, 8>(), 7, 30, 300, 129);
}
