// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The battery of moved rows; see backend/row_ops.hpp.
#pragma once

#include "battery/device.hpp"

#include <dsr1/backend/row_ops.hpp>
#include <dsr1/core/random.hpp>

namespace battery {

/// `count` row numbers in [-1, rows); -1 among them.
inline std::vector<std::int32_t> row_numbers(index_t count, index_t rows, std::uint64_t stream) {
  const dsr1::random_stream r(3, stream);
  std::vector<std::int32_t> out;
  for (index_t i = 0; i < count; ++i)
    out.push_back(static_cast<std::int32_t>(r.below(static_cast<std::uint64_t>(i),
                                                    static_cast<std::uint64_t>(rows) + 1)) -
                  1);
  return out;
}

template <class Ctx>
view<const std::int32_t, 2> device_table(Ctx& ctx, const std::vector<std::int32_t>& values,
                                         index_t rows, index_t columns) {
  const auto v = ctx.template take<std::int32_t>(rows, columns);
  Ctx::backend::upload(ctx, values.data(), v.flat());
  return v;
}

template <class T, class Ctx>
void gather_and_scatter(Ctx& ctx) {
  struct size {
    index_t table, rows, columns;
  };
  for (const auto& [table, rows, columns] :
       {size{1, 0, 3}, {1, 1, 1}, {5, 40, 7}, {40, 5, 16}, {3, 300, 130}, {50, 900, 33}})
    for (const margin around : margins) {
      ctx.workspace().reset();
      const auto x = normals<T>(table * columns, 1), y = normals<T>(rows * columns, 2);
      const auto numbers = row_numbers(rows, table, 4);
      const device_vector<Ctx, std::int32_t> ids(ctx, numbers);
      const device_matrix<Ctx, T> from(ctx, table, columns, x, around),
          to(ctx, rows, columns, around);
      const device_matrix<Ctx, T> add(ctx, rows, columns, y, around),
          sum(ctx, table, columns, x, around);
      Ctx::backend::gather_rows(ctx, from.in(), ids.in(), to.out());
      Ctx::backend::scatter_add_rows(ctx, add.in(), ids.in(), sum.out());
      std::vector<T> gathered, scattered = x;
      for (index_t i = 0; i < rows; ++i)
        for (index_t c = 0; c < columns; ++c) {
          const index_t r = numbers[at(i)];
          gathered.push_back(r < 0 ? T(0) : x[at(r * columns + c)]);
          if (r >= 0)
            scattered[at(r * columns + c)] += y[at(i * columns + c)];  // in the order of i
        }
      check_same(to.host(), gathered, dsr1::text("gather ", rows, " of ", table));
      check_same(sum.host(), scattered, dsr1::text("scatter ", rows, " to ", table));
    }
}

template <class T, class Ctx>
void combine(Ctx& ctx) {
  struct size {
    index_t tokens, k, columns;
  };
  for (const auto& [tokens, k, columns] :
       {size{0, 2, 3}, {3, 0, 5}, {1, 1, 1}, {7, 4, 16}, {5, 3, 33}, {400, 2, 40}})
    for (const margin around : margins)
      for (const bool weighted : {false, true}) {
        ctx.workspace().reset();
        // Every row belongs to at most one choice, as after sorting; some choices were dropped.
        const index_t rows = tokens * k + 2;
        std::vector<std::int32_t> slots;
        for (index_t i = 0; i < tokens * k; ++i)
          slots.push_back(i % 5 == 3 ? -1 : static_cast<std::int32_t>((i * 7) % (tokens * k)));
        if (tokens * k % 7 == 0)
          for (index_t i = 0; i < tokens * k; ++i)
            slots[at(i)] = i % 5 == 3 ? -1 : static_cast<std::int32_t>(i);
        const auto x = normals<T>(rows * columns, 1), w = normals<T>(tokens * k, 2),
                   dy = normals<T>(tokens * columns, 3);
        const auto table = device_table(ctx, slots, tokens, k);
        const device_matrix<Ctx, T> in(ctx, rows, columns, x, around),
            out(ctx, tokens, columns, around), weights(ctx, tokens, k, w);
        const device_matrix<Ctx, T> grad(ctx, tokens, columns, dy, around),
            dx(ctx, rows, columns, around), dweights(ctx, tokens, k);
        Ctx::backend::combine_rows(ctx, in.in(), table,
                                   weighted ? weights.in() : view<const T, 2>(), out.out());
        std::vector<double> y(at(tokens * columns)), dw(at(tokens * k)),
            back(at(rows * columns), -77);
        for (index_t t = 0; t < tokens; ++t)
          for (index_t j = 0; j < k; ++j) {
            const index_t r = slots[at(t * k + j)];
            if (r < 0) continue;
            const double factor = static_cast<double>(w[at(t * k + j)]);
            for (index_t c = 0; c < columns; ++c) {
              y[at(t * columns + c)] +=
                  (weighted ? factor : 1) * static_cast<double>(x[at(r * columns + c)]);
              dw[at(t * k + j)] += static_cast<double>(dy[at(t * columns + c)]) *
                                   static_cast<double>(x[at(r * columns + c)]);
              back[at(r * columns + c)] = factor * static_cast<double>(dy[at(t * columns + c)]);
            }
          }
        const std::string what =
            dsr1::text("combine ", tokens, " x ", k, " x ", columns, weighted ? " weighted" : "");
        check_close(out.host(), y, what);
        if (!weighted) continue;
        Ctx::backend::combine_rows_backward(ctx, grad.in(), in.in(), table, weights.in(), dx.out(),
                                            dweights.out());
        check_close(dx.host(), back, what + ", dx");  // rows that no choice names stay as they were
        check_close(dweights.host(), dw, what + ", dweights");
      }
}

template <class T, class Ctx>
void row_errors(Ctx& ctx) {
  using backend = typename Ctx::backend;
  ctx.workspace().reset();
  const device_matrix<Ctx, T> x(ctx, 3, 4), y(ctx, 2, 4), wide(ctx, 2, 5), weights(ctx, 2, 3);
  const device_vector<Ctx, std::int32_t> two(ctx, std::vector<std::int32_t>{0, 2}),
      three(ctx, std::vector<std::int32_t>{0, 1, 2});
  const auto slots = device_table(ctx, {0, 1, 2, 0}, 2, 2),
             tall = device_table(ctx, {0, 1, 2}, 3, 1);
  CHECK(mentions(message_of([&] { backend::gather_rows(ctx, x.in(), three.in(), y.out()); }),
                 "3 rows", "[3, 4]", "[2, 4]"));
  CHECK(mentions(message_of([&] { backend::gather_rows(ctx, x.in(), two.in(), wide.out()); }),
                 "2 rows", "[3, 4]", "[2, 5]"));
  CHECK(mentions(message_of([&] { backend::scatter_add_rows(ctx, y.in(), three.in(), x.out()); }),
                 "[2, 4]", "3 rows", "[3, 4]"));
  CHECK(mentions(message_of([&] { backend::scatter_add_rows(ctx, wide.in(), two.in(), x.out()); }),
                 "[2, 5]", "[3, 4]"));
  CHECK(mentions(
      message_of([&] { backend::combine_rows(ctx, x.in(), tall, view<const T, 2>(), y.out()); }),
      "[3, 4]", "[3, 1]", "[2, 4]"));
  CHECK(mentions(message_of([&] {
                   backend::combine_rows(ctx, x.in(), slots, view<const T, 2>(), wide.out());
                 }),
                 "[3, 4]", "[2, 5]"));
  CHECK(mentions(
      message_of([&] { backend::combine_rows(ctx, x.in(), slots, weights.in(), y.out()); }),
      "[2, 2]", "weights [2, 3]"));
  CHECK(mentions(message_of([&] {
                   backend::combine_rows_backward(ctx, x.in(), x.in(), slots, weights.in(), x.out(),
                                                  weights.out());
                 }),
                 "[3, 4]", "[2, 2]"));
  CHECK(mentions(message_of([&] {
                   backend::combine_rows_backward(ctx, y.in(), x.in(), slots, weights.in(), x.out(),
                                                  weights.out());
                 }),
                 "[2, 3]", "[2, 2]"));
  CHECK(mentions(message_of([&] {
                   backend::combine_rows_backward(ctx, wide.in(), x.in(), slots,
                                                  weights.in().slice_columns(0, 2), x.out(),
                                                  weights.out().slice_columns(0, 2));
                 }),
                 "[2, 5]", "[3, 4]"));
  const auto ones = weights.in().slice_columns(0, 2);
  const auto backward = [&](view<T, 2> dx, view<T, 2> dweights) {
    return message_of(
        [&] { backend::combine_rows_backward(ctx, y.in(), x.in(), slots, ones, dx, dweights); });
  };
  CHECK(mentions(backward(y.out(), weights.out().slice_columns(0, 2)), "dx [2, 4]"));
  CHECK(mentions(backward(x.out(), weights.out()), "dweights [2, 3]"));
}

}  // namespace battery
