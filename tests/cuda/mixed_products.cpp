// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Products on tensor cores: every tile, and numbers that are none. What the backend makes of them
// is tested in linear_ops.cpp.

#include <limits>

#include "battery/linear_ops.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/linear_ops.cuh>

using namespace dsr1;
using cuda_kernels::mixed_tile;

namespace {

using backend = cuda_part<cuda_linear>;
using context_type = context<backend>;
using narrow = mixed_tile<16, 64, 16, 16>;
using middle = mixed_tile<64, 64, 32, 32>;
using large = mixed_tile<128, 128, 64, 32>;

/// a b + bias, or what was there + a b, by a kernel with this tile.
template <class Tile>
std::vector<float> by_tile(context_type& ctx, matrix<const float> a, matrix<const float> b,
                           view<const float, 1> bias, bool add, battery::margin around) {
  const auto start = battery::normals<float>(a.rows * b.columns, 9);
  const battery::device_matrix<context_type, float> c(ctx, a.rows, b.columns, start, around);
  const auto to = c.out();
  const cuda_kernels::one_product<float> one = {{a, b, to.data, to.stride, bias.data}};
  launch(ctx, "multiply_mixed",
         ceil_div(a.rows, index_t{Tile::rows}) * ceil_div(b.columns, index_t{Tile::columns}),
         Tile::threads, cuda_kernels::multiply_mixed<Tile, cuda_kernels::one_product<float>>, one,
         add);
  return c.host();
}

}  // namespace

TEST_CASE("cuda mixed_products: the oracle, and the same bits from every tile", "[cuda]") {
  context_type ctx({.products = product_type::bf16});
  for (const battery::product_size s : {battery::product_size{1, 1, 1},
                                        {17, 130, 33},
                                        {130, 65, 64},
                                        {66, 9, 31},
                                        {3, 70, 100},
                                        {5, 4, 0}})
    for (const bool ta : {false, true})
      for (const bool tb : {false, true})
        for (const bool add : {false, true})
          for (const battery::margin around : battery::margins) {
            ctx.workspace().reset();
            const battery::operands<float> in(s, ta, tb);
            const battery::device_matrix<context_type, float> a(ctx, ta ? s.k : s.m, ta ? s.m : s.k,
                                                                in.a, around),
                b(ctx, tb ? s.n : s.k, tb ? s.k : s.n, in.b, around);
            const auto offset = battery::normals<float>(s.n, 8),
                       start = battery::normals<float>(s.m * s.n, 9);
            const battery::device_vector<context_type, float> bias(ctx, offset);
            const matrix<const float> x = ta ? a.transposed() : a.mat(),
                                      y = tb ? b.transposed() : b.mat();
            std::vector<double> expected;
            for (index_t i = 0; i < s.m; ++i)
              for (index_t j = 0; j < s.n; ++j)
                expected.push_back(in.element(ctx, s, i, j) +
                                   static_cast<double>(add ? start[battery::at(i * s.n + j)]
                                                           : offset[battery::at(j)]));
            const std::string what =
                dsr1::text(s.m, " x ", s.n, " x ", s.k, ", transposed ", ta, tb, ", add ", add);
            const auto bits = by_tile<narrow>(ctx, x, y, bias.in(), add, around);
            battery::check_close(bits, expected, what);
            battery::check_same(by_tile<middle>(ctx, x, y, bias.in(), add, around), bits, what);
            battery::check_same(by_tile<large>(ctx, x, y, bias.in(), add, around), bits, what);
          }
}

TEST_CASE("cuda mixed_products: the backend takes the large tile for large products", "[cuda]") {
  context_type ctx({.products = product_type::bf16});
  const index_t m = 300, n = 4096, k = 3;
  const auto x = battery::normals<float>(m * k, 1), y = battery::normals<float>(k * n, 2);
  const battery::device_matrix<context_type, float> a(ctx, m, k, x), b(ctx, k, n, y), c(ctx, m, n);
  backend::matmul(ctx, a.mat(), b.mat(), c.out(), accumulate::no, view<const float, 1>());
  const battery::device_vector<context_type, float> zeros(ctx, std::vector<float>(4096));
  battery::check_same(c.host(), by_tile<narrow>(ctx, a.mat(), b.mat(), zeros.in(), false, {}),
                      "300 x 4096 x 3");
}

TEST_CASE("cuda mixed_products: an operand is within 2^-8 of its number, a product within 2^-7",
          "[cuda]") {
  context_type ctx({.products = product_type::bf16});
  const auto by = [&](float x, float y) {
    const battery::device_matrix<context_type, float> a(ctx, 1, 1, std::vector{x}),
        b(ctx, 1, 1, std::vector{y}), c(ctx, 1, 1);
    backend::matmul(ctx, a.mat(), b.mat(), c.out(), accumulate::no, view<const float, 1>());
    return c.host()[0];
  };
  CHECK(by(0x1.01p0f, 1) == 1);  // a tie, to even: about the largest error there is
  CHECK(by(0x1.03p0f, 1) == 0x1.04p0f);
  CHECK(by(0x1.01p0f, 0x1.01p0f) == 1);
  for (int i = 0; i < 50; ++i) {
    const auto x = battery::normals<float>(2, static_cast<std::uint64_t>(i));
    const double exact = static_cast<double>(x[0]) * static_cast<double>(x[1]);
    CHECK(std::abs(static_cast<double>(by(x[0], x[1])) - exact) <= std::abs(exact) / 128);
  }
}

TEST_CASE("cuda mixed_products: NaN and infinities stay in their rows", "[cuda]") {
  context_type ctx({.products = product_type::bf16});
  constexpr float inf = std::numeric_limits<float>::infinity();
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  const index_t k = 35, n = 9;
  for (const index_t m : {5, 70}) {
    auto values = battery::normals<float>(m * k, 1);
    values[battery::at(1 * k + 34)] = nan;
    values[battery::at(2 * k + 3)] = inf;
    values[battery::at(3 * k + 3)] = -inf;
    values[battery::at(4 * k + 3)] = std::numeric_limits<float>::max();  // rounds to infinity
    const battery::device_matrix<context_type, float> a(ctx, m, k, values),
        b(ctx, k, n, std::vector<float>(battery::at(k * n), 2)), c(ctx, m, n);
    backend::matmul(ctx, a.mat(), b.mat(), c.out(), accumulate::no, view<const float, 1>());
    const auto out = c.host();
    for (index_t i = 0; i < m * n; ++i) {
      const float x = out[battery::at(i)];
      const index_t row = i / n;
      CAPTURE(row, x);
      if (row == 1) REQUIRE(std::isnan(x));
      if (row == 2 || row == 4) REQUIRE(x == inf);
      if (row == 3) REQUIRE(x == -inf);
      if (row == 0 || row > 4) REQUIRE(std::isfinite(x));
    }
  }
}
