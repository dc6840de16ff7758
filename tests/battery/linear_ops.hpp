// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The battery of dense and grouped products; see backend/linear_ops.hpp.
#pragma once

#include "battery/device.hpp"

#include <dsr1/backend/linear_ops.hpp>
#include <dsr1/core/float16.hpp>

namespace battery {

/// A number as products of the context take it.
template <class Ctx, class T>
double operand(Ctx& ctx, T x) {
  if constexpr (std::is_same_v<T, float> && requires { ctx.device().rounds_products(); })
    if (ctx.device().rounds_products())
      return static_cast<double>(static_cast<float>(dsr1::bf16(x)));
  return static_cast<double>(x);
}

struct product_size {
  index_t m, n, k;
};
inline constexpr product_size product_sizes[] = {
    {1, 1, 1},     {1, 5, 3},     {7, 1, 9},      {0, 4, 3},   {3, 0, 2},
    {3, 4, 0},     {1, 100, 40},  {6, 16, 16},    {17, 33, 9}, {8, 32, 300},
    {65, 31, 257}, {20, 300, 31}, {130, 70, 520}, {300, 40, 1}};

/// What to multiply: a [m, k], b [k, n], stored as they are or transposed.
template <class T>
struct operands {
  std::vector<T> a, b;
  bool a_transposed, b_transposed;

  operands(const product_size& s, bool at, bool bt)
      : a(normals<T>(s.m * s.k, 11)),
        b(normals<T>(s.k * s.n, 12)),
        a_transposed(at),
        b_transposed(bt) {}
  template <class Ctx>
  double element(Ctx& ctx, const product_size& s, index_t i, index_t j) const {
    double sum = 0;
    for (index_t p = 0; p < s.k; ++p)
      sum += operand(ctx, a[at(a_transposed ? p * s.m + i : i * s.k + p)]) *
             operand(ctx, b[at(b_transposed ? j * s.k + p : p * s.n + j)]);
    return sum;
  }
};

template <class T, class Ctx>
void matmul(Ctx& ctx) {
  for (const product_size& s : product_sizes)
    for (const bool ta : {false, true})
      for (const bool tb : {false, true})
        for (const margin around : margins) {
          ctx.workspace().reset();
          const operands<T> in(s, ta, tb);
          const auto start = normals<T>(s.m * s.n, 13), offset = normals<T>(s.n, 14);
          const device_matrix<Ctx, T> a(ctx, ta ? s.k : s.m, ta ? s.m : s.k, in.a, around);
          const device_matrix<Ctx, T> b(ctx, tb ? s.n : s.k, tb ? s.k : s.n, in.b, around);
          const device_matrix<Ctx, T> plain(ctx, s.m, s.n, around), biased(ctx, s.m, s.n, around),
              added(ctx, s.m, s.n, start, around);
          const device_vector<Ctx, T> bias(ctx, offset);
          const matrix<const T> x = ta ? a.transposed() : a.mat(),
                                y = tb ? b.transposed() : b.mat();
          Ctx::backend::matmul(ctx, x, y, plain.out(), accumulate::no, view<const T, 1>());
          Ctx::backend::matmul(ctx, x, y, biased.out(), accumulate::no, bias.in());
          Ctx::backend::matmul(ctx, x, y, added.out(), accumulate::yes, view<const T, 1>());
          std::vector<double> c, c_bias, c_add;
          for (index_t i = 0; i < s.m; ++i)
            for (index_t j = 0; j < s.n; ++j) {
              c.push_back(in.element(ctx, s, i, j));
              c_bias.push_back(c.back() + static_cast<double>(offset[at(j)]));
              c_add.push_back(c.back() + static_cast<double>(start[at(i * s.n + j)]));
            }
          const std::string what =
              dsr1::text("matmul ", s.m, " x ", s.n, " x ", s.k, ", transposed ", ta, tb);
          check_close(plain.host(), c, what);
          check_close(biased.host(), c_bias, what + ", bias");
          check_close(added.host(), c_add, what + ", added");
        }
}

/// One row of a product is the same to the bit, alone and among 64 others.
template <class T, class Ctx>
void rows_are_independent(Ctx& ctx,
                          const std::vector<index_t>& inner = {1, 7, 64, 255, 256, 257, 1000},
                          const std::vector<index_t>& outer = {1, 15, 16, 33, 70, 300}) {
  for (const index_t k : inner)
    for (const index_t n : outer)
      for (const bool ta : {false, true})
        for (const bool tb : {false, true}) {
          ctx.workspace().reset();
          const product_size s{64, n, k};
          const operands<T> in(s, ta, tb);
          const device_matrix<Ctx, T> a(ctx, ta ? k : 64, ta ? 64 : k, in.a),
              b(ctx, tb ? n : k, tb ? k : n, in.b);
          const device_matrix<Ctx, T> all(ctx, 64, n), one(ctx, 64, n);
          const matrix<const T> x = ta ? a.transposed() : a.mat(),
                                y = tb ? b.transposed() : b.mat();
          Ctx::backend::matmul(ctx, x, y, all.out(), accumulate::no, view<const T, 1>());
          for (index_t first = 0, count = 1; first < 64; first += count, count = count % 5 + 1) {
            matrix<const T> part = x;  // 1, 2, 3, 4, 5, 1, ... rows at a time
            part.rows = std::min(count, 64 - first);
            part.data += first * x.row_stride;
            Ctx::backend::matmul(ctx, part, y, one.out().slice_rows(first, part.rows),
                                 accumulate::no, view<const T, 1>());
          }
          check_same(one.host(), all.host(),
                     dsr1::text("a row of n ", n, " k ", k, " transposed ", ta, tb));
        }
}

template <class T, class Ctx>
void column_sum(Ctx& ctx) {
  for (const auto& [rows, columns] :
       {std::pair<index_t, index_t>{0, 5}, {1, 1}, {1, 70}, {33, 17}, {300, 129}})
    for (const margin around : margins)
      for (const accumulate add : {accumulate::no, accumulate::yes}) {
        ctx.workspace().reset();
        const auto x = normals<T>(rows * columns, 1), start = normals<T>(columns, 2);
        const device_matrix<Ctx, T> a(ctx, rows, columns, x, around);
        const device_vector<Ctx, T> y(ctx, start);
        Ctx::backend::column_sum(ctx, a.in(), y.out(), add);
        std::vector<double> expected(at(columns));
        for (index_t j = 0; j < columns; ++j) {
          if (add == accumulate::yes) expected[at(j)] = static_cast<double>(start[at(j)]);
          for (index_t i = 0; i < rows; ++i)
            expected[at(j)] += static_cast<double>(x[at(i * columns + j)]);
        }
        check_close(y.host(), expected, dsr1::text("column_sum ", rows, " x ", columns));
      }
}

/// Groups as a router makes them: empty ones at both ends and between, one much longer, one row.
inline const std::vector<index_t>& group_ends(int which) {
  static const std::vector<index_t> all[] = {
      {0, 3, 3, 20, 21, 90, 90}, {5}, {0}, {0, 0, 0}, {1, 2, 3, 4}, {}, {0, 0, 300}};
  return all[which];
}
inline constexpr int group_cases = 7;

template <class T, class Ctx>
void m_grouped(Ctx& ctx, index_t inner, index_t outer) {
  for (int which = 0; which < group_cases; ++which)
    for (const bool transpose : {false, true})
      for (const margin around : margins)
        for (const bool with_bias : {false, true}) {
          ctx.workspace().reset();
          const dsr1::row_groups groups(group_ends(which));
          const index_t count = groups.count(), rows = groups.rows();
          const auto x = normals<T>(rows * inner, 1), w = normals<T>(count * inner * outer, 2),
                     offset = normals<T>(count * outer, 3);
          const device_matrix<Ctx, T> a(ctx, rows, inner, x, around),
              b(ctx, count, inner * outer, w), c(ctx, rows, outer, around);
          const device_matrix<Ctx, T> bias(ctx, count, outer, offset);
          const index_t first = transpose ? outer : inner, second = transpose ? inner : outer;
          Ctx::backend::m_grouped_matmul(ctx, a.in(), groups, b.in().reshaped(count, first, second),
                                         transpose, c.out(),
                                         with_bias ? bias.in() : view<const T, 2>());
          std::vector<double> expected;
          for (index_t g = 0; g < count; ++g)
            for (index_t r = groups.begin(g); r < groups.end(g); ++r)
              for (index_t j = 0; j < outer; ++j) {
                double sum = with_bias ? static_cast<double>(offset[at(g * outer + j)]) : 0;
                for (index_t p = 0; p < inner; ++p)
                  sum +=
                      operand(ctx, x[at(r * inner + p)]) *
                      operand(
                          ctx,
                          w[at(g * inner * outer + (transpose ? j * inner + p : p * outer + j))]);
                expected.push_back(sum);
              }
          check_close(c.host(), expected,
                      dsr1::text("m_grouped_matmul, groups ", which, " transpose ", transpose));
        }
}

template <class T, class Ctx>
void k_grouped(Ctx& ctx, index_t left, index_t right) {
  for (int which = 0; which < group_cases; ++which)
    for (const margin around : margins)
      for (const accumulate add : {accumulate::no, accumulate::yes}) {
        ctx.workspace().reset();
        const dsr1::row_groups groups(group_ends(which));
        const index_t count = groups.count(), rows = groups.rows();
        const auto x = normals<T>(rows * left, 1), y = normals<T>(rows * right, 2),
                   start = normals<T>(count * left * right, 3);
        const auto sums = normals<T>(count * right, 4);
        const device_matrix<Ctx, T> a(ctx, rows, left, x, around), b(ctx, rows, right, y, around),
            c(ctx, count, left * right, start);
        const device_matrix<Ctx, T> s(ctx, count, right, sums);
        Ctx::backend::k_grouped_matmul(ctx, a.in(), b.in(), groups,
                                       c.out().reshaped(count, left, right), add);
        Ctx::backend::grouped_column_sum(ctx, b.in(), groups, s.out(), add);
        std::vector<double> expected, expected_sum;
        for (index_t g = 0; g < count; ++g) {
          for (index_t i = 0; i < left; ++i)
            for (index_t j = 0; j < right; ++j) {
              double sum = add == accumulate::yes
                               ? static_cast<double>(start[at((g * left + i) * right + j)])
                               : 0;
              for (index_t r = groups.begin(g); r < groups.end(g); ++r)
                sum += operand(ctx, x[at(r * left + i)]) * operand(ctx, y[at(r * right + j)]);
              expected.push_back(sum);
            }
          for (index_t j = 0; j < right; ++j) {
            double sum = add == accumulate::yes ? static_cast<double>(sums[at(g * right + j)]) : 0;
            for (index_t r = groups.begin(g); r < groups.end(g); ++r)
              sum += static_cast<double>(y[at(r * right + j)]);
            expected_sum.push_back(sum);
          }
        }
        check_close(c.host(), expected, dsr1::text("k_grouped_matmul, groups ", which));
        check_close(s.host(), expected_sum, dsr1::text("grouped_column_sum, groups ", which));
      }
}

template <class T, class Ctx>
void linear_errors(Ctx& ctx) {
  using backend = typename Ctx::backend;
  ctx.workspace().reset();
  const device_matrix<Ctx, T> a(ctx, 3, 4), b(ctx, 5, 6), c(ctx, 3, 6), w(ctx, 2, 24);
  const device_vector<Ctx, T> four(ctx, 4), six(ctx, 6);
  const view<const T, 1> none;
  const std::vector<index_t> two = {1, 3}, short_ends = {1, 2};
  const dsr1::row_groups groups(two), fewer(short_ends);
  CHECK(mentions(
      message_of([&] { backend::matmul(ctx, a.mat(), b.mat(), c.out(), accumulate::no, none); }),
      "[3, 4]", "[5, 6]", "[3, 6]"));
  CHECK(mentions(message_of([&] {
                   backend::matmul(ctx, a.mat(), a.transposed(), c.out(), accumulate::no, none);
                 }),
                 "[3, 4]", "[4, 3]", "[3, 6]"));
  CHECK(mentions(message_of([&] {
                   backend::matmul(ctx, c.mat(), c.transposed(), a.out().slice_columns(0, 3),
                                   accumulate::no, four.in());
                 }),
                 "bias has 4", "3 columns"));
  CHECK(mentions(message_of([&] { backend::column_sum(ctx, a.in(), six.out(), accumulate::no); }),
                 "column_sum", "[3, 4]", "[6]"));
  // a [3, 4] by w [2, 4, 6]: what fits, and one misfit after the other
  const auto w3 = w.in().reshaped(2, 4, 6);
  backend::m_grouped_matmul(ctx, a.in(), groups, w3, false, c.out(), view<const T, 2>());
  CHECK(mentions(message_of([&] {
                   backend::m_grouped_matmul(ctx, a.in(), groups, w3, true, c.out(),
                                             view<const T, 2>());
                 }),
                 "[3, 4]", "[2, 4, 6] transposed", "[3, 6]", "2 groups", "3 rows"));
  CHECK(mentions(message_of([&] {
                   backend::m_grouped_matmul(ctx, a.in(), fewer, w3, false, c.out(),
                                             view<const T, 2>());
                 }),
                 "2 groups over 2 rows"));
  CHECK(mentions(message_of([&] {
                   backend::m_grouped_matmul(ctx, a.in(), groups, w.in().reshaped(3, 4, 4), false,
                                             c.out(), view<const T, 2>());
                 }),
                 "[3, 4, 4]"));
  CHECK(mentions(message_of([&] {
                   backend::m_grouped_matmul(ctx, a.in(), groups, w3, false, c.out(), c.in());
                 }),
                 "bias", "[3, 6]"));
  const auto d3 = w.out().reshaped(2, 4, 6);
  backend::k_grouped_matmul(ctx, a.in(), c.in(), groups, d3, accumulate::no);
  CHECK(mentions(message_of([&] {
                   backend::k_grouped_matmul(ctx, c.in(), a.in(), groups, d3, accumulate::no);
                 }),
                 "[3, 6]", "[3, 4]", "[2, 4, 6]"));
  CHECK(mentions(message_of([&] {
                   backend::k_grouped_matmul(ctx, a.in(), c.in(), fewer, d3, accumulate::no);
                 }),
                 "2 groups over 2 rows"));
  CHECK(mentions(message_of([&] {
                   backend::grouped_column_sum(ctx, a.in(), groups, c.out(), accumulate::no);
                 }),
                 "grouped_column_sum", "[3, 4]", "[3, 6]", "2 groups"));
  CHECK(mentions(message_of([&] {
                   backend::grouped_column_sum(ctx, a.in(), fewer,
                                               c.out().slice_rows(0, 2).slice_columns(0, 4),
                                               accumulate::no);
                 }),
                 "2 rows"));
}

}  // namespace battery
