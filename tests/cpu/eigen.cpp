// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The door to Eigen: operands by their strides, sums added to what is there.

#include <vector>

#include "battery/context.hpp"
#include "catch.hpp"

#include <dsr1/cpu/eigen.hpp>

using namespace dsr1;

#ifndef EIGEN_NO_CUDA
#error "Eigen's CUDA support must be off"
#endif

TEST_CASE("eigen: products of row-major and column-major operands, slices among them") {
  const index_t m = 7, n = 5, k = 9;
  for (const bool left : {false, true})
    for (const bool right : {false, true}) {
      auto a = battery::normals<double>(20 * 20, 1), b = battery::normals<double>(20 * 20, 2);
      const auto sa =
          battery::matrix_of(a, 20, 20).slice_rows(2, left ? k : m).slice_columns(3, left ? m : k);
      const auto sb = battery::matrix_of(b, 20, 20)
                          .slice_rows(1, right ? n : k)
                          .slice_columns(4, right ? k : n);
      const matrix<const double> x = left ? transposed(sa) : matrix<const double>(sa);
      const matrix<const double> y = right ? transposed(sb) : matrix<const double>(sb);
      std::vector<double> c(20 * 20, 0.5);
      const auto out = battery::matrix_of(c, 20, 20).slice_rows(1, m).slice_columns(2, n);
      cpu_eigen::multiply_add<double>(x, y, out);
      for (index_t i = 0; i < m; ++i)
        for (index_t j = 0; j < n; ++j) {
          double sum = 0.5;
          for (index_t p = 0; p < k; ++p)
            sum += x.data[i * x.row_stride + p * x.column_stride] *
                   y.data[p * y.row_stride + j * y.column_stride];
          REQUIRE(out(i, j) == Approx(sum).epsilon(1e-13));
        }
      CHECK(c[0] == 0.5);
      CHECK(c[1 * 20 + 1] == 0.5);
      CHECK(c[1 * 20 + 7] == 0.5);
    }
}

TEST_CASE("eigen: nothing to add leaves the result alone") {
  std::vector<double> c = {1, 2, 3, 4};
  const view<double, 2> out(c.data(), 2, 2);
  const view<const double, 2> none_k(nullptr, 2, 0), k_none(nullptr, 0, 2), no_rows(nullptr, 0, 2);
  cpu_eigen::multiply_add<double>(none_k, k_none, out);
  cpu_eigen::multiply_add<double>(no_rows, view<const double, 2>(c.data(), 2, 2),
                                  out.slice_rows(0, 0));
  CHECK(c == std::vector<double>{1, 2, 3, 4});
}

TEST_CASE("eigen: an operand strided in both directions is an error") {
  std::vector<double> v(64);
  const matrix<const double> odd(v.data(), 2, 2, 16, 2), plain(v.data(), 2, 2, 2, 1);
  std::vector<double> c(4);
  CHECK(mentions(message_of([&] {
                   cpu_eigen::multiply_add<double>(odd, plain, view<double, 2>(c.data(), 2, 2));
                 }),
                 "unit stride"));
}
