// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The block product: packing, tiles of every height, edges, and nothing touched beyond an operand.

#include "catch.hpp"
#include "cpu/each_isa.hpp"

#include <dsr1/cpu/gemm_kernels.hpp>

using namespace dsr1;

TEST_CASE("gemm_kernels: packing pads the last panel with zeros, from any strides") {
  for_each_isa([](auto set) {
    using T = typename decltype(set)::value;
    using gemm = simd::gemm_kernels<decltype(set)>;
    for (const index_t k : {0, 1, 7, 8, 17})
      for (const index_t n : {1, 7, 8, 15, 16, 17, 32, 33, 50})
        for (const int layout : {0, 1, 2}) {  // rows, columns, and a step of two between columns
          const auto values = battery::normals<T>(2 * k * n, 1);
          const guarded<T> from(std::vector<T>(
              values.begin(),
              values.begin() + (layout == 2 ? std::max<index_t>(0, 2 * k * n - 1) : k * n)));
          const matrix<const T> b = layout == 0   ? matrix<const T>(from.data(), k, n, n, 1)
                                    : layout == 1 ? matrix<const T>(from.data(), k, n, 1, k)
                                                  : matrix<const T>(from.data(), k, n, 2 * n, 2);
          guarded<T> to(at(k * round_up(n, gemm::columns)));
          gemm::pack(b, to.data());
          bool equal = true;
          for (index_t p = 0; p < round_up(n, gemm::columns); p += gemm::columns)
            for (index_t i = 0; i < k; ++i)
              for (index_t j = p; j < p + gemm::columns; ++j)
                equal =
                    equal && to[at(p * k + i * gemm::columns + j - p)] ==
                                 (j < n ? b.data[i * b.row_stride + j * b.column_stride] : T(0));
          REQUIRE(equal);
        }
  });
}

TEST_CASE(
    "gemm_kernels: products of all small sizes, started from nothing, a bias or what is there") {
  for_each_isa([](auto set) {
    using T = typename decltype(set)::value;
    using gemm = simd::gemm_kernels<decltype(set)>;
    for (index_t m = 1; m <= 17; m += m < 9 ? 1 : 4)
      for (const index_t n : {1, 15, 16, 17, 32, 33, 70})
        for (const index_t k : {0, 1, 6, 40})
          for (const bool transposed_a : {false, true}) {
            const guarded<T> a(battery::normals<T>(m * k, 1)), b(battery::normals<T>(k * n, 2)),
                bias(battery::normals<T>(n, 3));
            const auto start = battery::normals<T>(m * n, 4);
            const matrix<const T> x = transposed_a ? matrix<const T>(a.data(), m, k, 1, m)
                                                   : matrix<const T>(a.data(), m, k, k, 1);
            guarded<T> packed(at(k * round_up(n, gemm::columns))),
                scratch(at(gemm::rows * (k + gemm::columns)));
            gemm::pack(matrix<const T>(b.data(), k, n, n, 1), packed.data());
            for (const int how : {0, 1, 2}) {
              guarded<T> c(start);
              gemm::multiply(x, packed.data(), matrix<T>(c.data(), m, n, n, 1), how == 2,
                             how == 1 ? bias.data() : nullptr, scratch.data());
              bool equal = true;
              for (index_t i = 0; i < m; ++i)
                for (index_t j = 0; j < n; ++j) {
                  double sum = how == 2   ? static_cast<double>(start[at(i * n + j)])
                               : how == 1 ? static_cast<double>(bias[at(j)])
                                          : 0;
                  for (index_t p = 0; p < k; ++p)
                    sum += static_cast<double>(x.data[i * x.row_stride + p * x.column_stride]) *
                           static_cast<double>(b[at(p * n + j)]);
                  equal = equal && std::abs(static_cast<double>(c[at(i * n + j)]) - sum) <
                                       20 * battery::tolerance<T>();
                }
              REQUIRE(equal);
            }
          }
  });
}

TEST_CASE("gemm_kernels: an element is one chain of multiply-adds in ascending order") {
  for (const isa which : available_isas()) {
    if (which == isa::generic) continue;  // may or may not fuse
    INFO(name_of(which));
    simd::dispatch<float>(which, [](auto set) {
      using gemm = simd::gemm_kernels<decltype(set)>;
      if constexpr (std::is_same_v<typename decltype(set)::value, float>) {
        const index_t m = 13, n = 45, k = 300;
        const auto a = battery::normals<float>(m * k, 1), b = battery::normals<float>(k * n, 2);
        std::vector<float> packed(at(k * round_up(n, gemm::columns))),
            scratch(at(gemm::rows * (k + gemm::columns))), c(at(m * n));
        gemm::pack(matrix<const float>(b.data(), k, n, n, 1), packed.data());
        gemm::multiply(matrix<const float>(a.data(), m, k, k, 1), packed.data(),
                       matrix<float>(c.data(), m, n, n, 1), false, nullptr, scratch.data());
        for (index_t i = 0; i < m; ++i)
          for (index_t j = 0; j < n; ++j) {
            float chain = 0;
            for (index_t p = 0; p < k; ++p)
              chain = std::fma(a[at(i * k + p)], b[at(p * n + j)], chain);
            REQUIRE(c[at(i * n + j)] == chain);
          }
      }
    });
  }
}

TEST_CASE("gemm_kernels: a right operand read where it lies gives the bits of a packed one") {
  for_each_isa([](auto set) {
    using T = typename decltype(set)::value;
    using gemm = simd::gemm_kernels<decltype(set)>;
    for (const index_t m : {1, 2, 4, 7, 8, 13, 16})
      for (const index_t panels : {1, 2, 3})
        for (const index_t k : {0, 1, 6, 32}) {
          const index_t n = panels * gemm::columns, stride = n + 5;
          const guarded<T> a(battery::normals<T>(m * k, 1)),
              b(battery::normals<T>(k > 0 ? (k - 1) * stride + n : 0, 2));
          const matrix<const T> x(a.data(), m, k, k, 1), y(b.data(), k, n, stride, 1);
          guarded<T> packed(at(k * n)), scratch(at(gemm::rows * (k + gemm::columns)));
          gemm::pack(y, packed.data());
          for (const bool add : {false, true}) {
            const auto start = battery::normals<T>(m * n, 4);
            guarded<T> c(start), d(start);
            gemm::multiply(x, packed.data(), matrix<T>(c.data(), m, n, n, 1), add, nullptr,
                           scratch.data());
            gemm::multiply_in_place(x, y, matrix<T>(d.data(), m, n, n, 1), add);
            REQUIRE(c.vector() == d.vector());
          }
        }
  });
}
