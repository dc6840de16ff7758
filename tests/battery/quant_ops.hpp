// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The battery of products with coded weights; see backend/quant_ops.hpp.
#pragma once

#include "battery/device.hpp"
#include "battery/linear_ops.hpp"

#include <dsr1/backend/quant_ops.hpp>
#include <dsr1/quant/encode.hpp>

namespace battery {

using dsr1::coded_tensor;
using dsr1::coding;

/// `matrices` matrices of normal numbers, whose magnitudes differ from block to block.
inline coded_tensor weights(coding type, index_t matrices, index_t rows, index_t columns,
                            std::uint64_t stream = 5) {
  auto w = normals<float>(matrices * rows * columns, stream, 0.5);
  for (std::size_t i = 0; i < w.size(); ++i) w[i] *= static_cast<float>(1 << (i / 32 * 5 % 7));
  return dsr1::encode(type, view<const float, 3>(w.data(), matrices, rows, columns));
}

/// The same numbers as parts that follow one another or alternate, each with memory of its own.
inline coded_tensor in_parts(const coded_tensor& w, index_t count, bool alternating) {
  coded_tensor out = w;
  out.parts.clear();
  out.alternating = alternating;
  for (index_t m = 0; m < w.matrices; ++m)
    for (index_t p = 0, first = 0; p < count; ++p) {
      const index_t rows = alternating ? w.rows / count : (p + 1) * w.rows / count - first;
      dsr1::encoded part(w.type, 1, rows, w.columns);
      for (index_t r = 0; r < rows; ++r) {
        const auto from = w.row(m, alternating ? r * count + p : first + r);
        std::copy_n(from.codes, w.row_bytes(), part.codes(0, r));
        if (from.scales) std::copy_n(from.scales, w.scale_row_bytes(), part.scales(0, r));
      }
      out.parts.push_back(part.tensor().parts[0]);
      out.owners.push_back(part.tensor().owners[0]);
      first += rows;
    }
  out.check();
  return out;
}

/// Where the backend wants coded tensors: in memory of its own, when it has any.
template <class Ctx>
coded_tensor resident(Ctx& ctx, const coded_tensor& w) {
  if constexpr (requires { Ctx::backend::resident(ctx, w); })
    return Ctx::backend::resident(ctx, w);
  else
    return w;
}

/// Columns that a coding takes, around its blocks.
inline std::vector<index_t> widths(coding type) {
  if (dsr1::info_of(type).bits == 4) return {32, 64, 96, 320};
  return {1, 15, 16, 17, 31, 32, 33, 100, 127, 128, 129, 257, 300};
}

/// The product in double.
inline std::vector<double> expected_product(const std::vector<double>& x,
                                            const dsr1::row_groups& groups, const coded_tensor& w,
                                            const std::vector<double>& bias) {
  std::vector<double> out, row(at(w.columns));
  out.resize(at(groups.rows() * w.rows));
  for (index_t g = 0; g < groups.count(); ++g)
    for (index_t r = 0; r < w.rows; ++r) {
      dsr1::unpack(w, g, r, row.data());
      for (index_t t = groups.begin(g); t < groups.end(g); ++t) {
        double sum = bias.empty() ? 0 : bias[at(g * w.rows + r)];
        for (index_t k = 0; k < w.columns; ++k) sum += row[at(k)] * x[at(t * w.columns + k)];
        out[at(t * w.rows + r)] = sum;
      }
    }
  return out;
}

template <class T, class Ctx>
void coded_matmul(Ctx& ctx) {
  for (const dsr1::coding_info& info : dsr1::codings)
    for (const index_t columns : widths(info.type))
      for (const index_t rows : {1, 3, 4, 33})
        for (int which = 0; which < group_cases; ++which) {
          ctx.workspace().reset();
          const dsr1::row_groups groups(group_ends(which));
          if (groups.count() == 0) continue;  // no matrices
          const margin around = margins[which % 2];
          const auto w = weights(info.type, groups.count(), rows, columns);
          const auto x = normals<T>(groups.rows() * columns, 1);
          const auto offset = normals<T>(groups.count() * rows, 3);
          const device_matrix<Ctx, T> a(ctx, groups.rows(), columns, x, around);
          const device_matrix<Ctx, T> plain(ctx, groups.rows(), rows, around),
              biased(ctx, groups.rows(), rows, around), bias(ctx, groups.count(), rows, offset);
          const auto there = resident(ctx, w);
          Ctx::backend::coded_matmul(ctx, a.in(), groups, there, plain.out(), view<const T, 2>());
          Ctx::backend::coded_matmul(ctx, a.in(), groups, there, biased.out(), bias.in());
          const std::string what = dsr1::text("coded_matmul of ", w.text(), ", groups ", which);
          const auto input = doubles(x), b = doubles(offset);
          check_close(plain.host(), expected_product(input, groups, w, {}), what);
          check_close(biased.host(), expected_product(input, groups, w, b), what + ", bias");
        }
}

/// The parts of a tensor change nothing, to the bit.
template <class T, class Ctx>
void coded_parts(Ctx& ctx) {
  for (const dsr1::coding_info& info : dsr1::codings)
    for (const index_t count : {2, 3})
      for (const bool alternating : {false, true}) {
        // Rows that share a scale cannot be dealt out to parts.
        const bool blocks = info.block_rows > 1;
        if (blocks && alternating) continue;
        ctx.workspace().reset();
        const std::vector<index_t> ends = {1, 1, 5};
        const dsr1::row_groups groups(ends);
        const index_t rows = blocks ? count * 128 : 42, columns = 160;
        const auto w = weights(info.type, 3, rows, columns);
        const auto x = normals<T>(5 * columns, 1);
        const device_matrix<Ctx, T> a(ctx, 5, columns, x), one(ctx, 5, rows), many(ctx, 5, rows);
        Ctx::backend::coded_matmul(ctx, a.in(), groups, resident(ctx, w), one.out(),
                                   view<const T, 2>());
        Ctx::backend::coded_matmul(ctx, a.in(), groups,
                                   resident(ctx, in_parts(w, count, alternating)), many.out(),
                                   view<const T, 2>());
        check_same(many.host(), one.host(), dsr1::text("parts of ", w.text()));
      }
}

/// Parts that were coded by themselves, each with its own blocks of 128 rows.
template <class T, class Ctx>
void coded_apart(Ctx& ctx) {
  for (const bool alternating : {false, true}) {
    ctx.workspace().reset();
    constexpr index_t columns = 140, rows = 150;  // of a part
    coded_tensor w = weights(coding::fp8, 1, rows, columns, 6);
    const coded_tensor other = weights(coding::fp8, 1, rows, columns, 7);
    w.rows = 2 * rows;
    w.alternating = alternating;
    w.parts.push_back(other.parts[0]);
    w.owners.push_back(other.owners[0]);
    w.check();
    for (const index_t tokens : {1, 5}) {
      const index_t ends[] = {tokens};
      const auto x = normals<T>(tokens * columns, 1);
      const device_matrix<Ctx, T> a(ctx, tokens, columns, x), y(ctx, tokens, 2 * rows);
      Ctx::backend::coded_matmul(ctx, a.in(), dsr1::row_groups(ends), resident(ctx, w), y.out(),
                                 view<const T, 2>());
      check_close(y.host(), expected_product(doubles(x), dsr1::row_groups(ends), w, {}),
                  "parts coded apart");
    }
  }
}

/// A token has the same bits alone and in every batch of up to 70.
template <class T, class Ctx>
void coded_tokens_are_independent(Ctx& ctx) {
  constexpr index_t most = 70, rows = 37;
  for (const dsr1::coding_info& info : dsr1::codings)
    for (const index_t columns : {index_t{64}, index_t{info.bits == 4 ? 96 : 83}}) {
      ctx.workspace().reset();
      const auto w = resident(ctx, weights(info.type, 1, rows, columns));
      const device_matrix<Ctx, T> x(ctx, most, columns, normals<T>(most * columns, 1)),
          bias(ctx, 1, rows, normals<T>(rows, 2));
      const device_matrix<Ctx, T> single(ctx, most, rows);
      const auto run = [&](index_t first, index_t count, view<T, 2> y) {
        const index_t ends[] = {count};
        Ctx::backend::coded_matmul(ctx, x.in().slice_rows(first, count), dsr1::row_groups(ends), w,
                                   y, bias.in());
      };
      for (index_t t = 0; t < most; ++t) run(t, 1, single.out().slice_rows(t, 1));
      const auto expected = single.host();
      for (index_t count = 1; count <= most; ++count) {
        const index_t first = (most - count) / 2;
        const device_matrix<Ctx, T> batch(ctx, count, rows);
        run(first, count, batch.out());
        check_same(batch.host(),
                   std::vector<T>(expected.begin() + first * rows,
                                  expected.begin() + (first + count) * rows),
                   dsr1::text(count, " tokens by ", w.text()));
      }
    }
}

template <class T, class Ctx>
void coded_rows(Ctx& ctx) {
  for (const dsr1::coding_info& info : dsr1::codings)
    for (const index_t columns : widths(info.type))
      for (const margin around : margins) {
        ctx.workspace().reset();
        const auto w = weights(info.type, 1, 150, columns);
        const std::vector<std::int32_t> wanted = {0, 149, 3, 3, 128, 127};
        const device_vector<Ctx, std::int32_t> rows(ctx, wanted);
        const device_matrix<Ctx, T> y(ctx, 6, columns, around);
        Ctx::backend::coded_rows(ctx, resident(ctx, w), rows.in(), y.out());
        std::vector<T> expected(at(6 * columns));
        for (index_t i = 0; i < 6; ++i)
          dsr1::unpack(w, 0, wanted[at(i)], expected.data() + i * columns);
        check_same(y.host(), expected, "coded_rows of " + w.text());
      }
}

template <class T, class Ctx>
void coded_errors(Ctx& ctx) {
  using backend = typename Ctx::backend;
  ctx.workspace().reset();
  const auto w = resident(ctx, weights(coding::int8, 2, 6, 4));
  const device_matrix<Ctx, T> x(ctx, 3, 4), y(ctx, 3, 6), wide(ctx, 3, 5);
  const std::vector<index_t> two = {1, 3}, one = {3}, fewer = {1, 2};
  const view<const T, 2> none;
  const auto message = [&](view<const T, 2> from, const std::vector<index_t>& ends, view<T, 2> to,
                           view<const T, 2> bias) {
    return message_of(
        [&] { backend::coded_matmul(ctx, from, dsr1::row_groups(ends), w, to, bias); });
  };
  backend::coded_matmul(ctx, x.in(), dsr1::row_groups(two), w, y.out(), none);
  CHECK(mentions(message(wide.in(), two, y.out(), none), "[3, 5]", "int8 [2, 6, 4]", "[3, 6]"));
  CHECK(mentions(message(x.in(), two, wide.out(), none), "[3, 4]", "into [3, 5]"));
  CHECK(mentions(message(x.in(), one, y.out(), none), "1 groups over 3 rows"));
  CHECK(mentions(message(x.in(), fewer, y.out(), none), "2 groups over 2 rows"));
  CHECK(mentions(message(x.in(), two, y.out(), y.in()), "bias is [3, 6]", "expected [2, 6]"));
  const device_vector<Ctx, std::int32_t> beyond(ctx, std::vector<std::int32_t>{0, 6, 1}),
      below(ctx, std::vector<std::int32_t>{0, -1, 1});
  CHECK(mentions(message_of([&] { backend::coded_rows(ctx, w, beyond.in(), x.out()); }), "row 6 of",
                 "int8 [2, 6, 4]"));
  CHECK(mentions(message_of([&] { backend::coded_rows(ctx, w, below.in(), x.out()); }), "row -1"));
  CHECK(mentions(message_of([&] { backend::coded_rows(ctx, w, below.in(), y.out()); }), "3 rows of",
                 "into [3, 6]"));
}

}  // namespace battery
