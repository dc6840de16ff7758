// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Kernels on rows of logits stay inside them, for every length and instruction set.

#include "catch.hpp"
#include "cpu/each_isa.hpp"

#include <dsr1/cpu/loss_kernels.hpp>

using namespace dsr1;

TEST_CASE("loss_kernels: the largest, wherever it stands") {
  for_each_isa([](auto set) {
    using T = typename decltype(set)::value;
    using kernels = simd::loss_kernels<decltype(set)>;
    CHECK(kernels::largest(nullptr, 0) == -std::numeric_limits<T>::infinity());
    for (const index_t n : lengths)
      for (index_t best = 0; best < n; ++best) {
        guarded<T> x(at(n));
        for (std::size_t i = 0; i < at(n); ++i) x[i] = T(-5);
        x[at(best)] = T(-4);
        REQUIRE(kernels::largest(x.data(), n) == T(-4));
      }
  });
}

TEST_CASE("loss_kernels: sums of exponentials, kept or not, and multiples") {
  for_each_isa([](auto set) {
    using T = typename decltype(set)::value;
    using kernels = simd::loss_kernels<decltype(set)>;
    for (const index_t n : lengths) {
      const auto values = battery::normals<T>(n, 1);
      guarded<T> x(values), y(values);
      double sum = 0;
      for (const T v : values) sum += std::exp(static_cast<double>(v) - 2);
      const T a = kernels::sum_exp(x.data(), n, T(2), false),
              b = kernels::sum_exp(y.data(), n, T(2), true);
      CHECK(a == b);
      CHECK(static_cast<double>(a) == Approx(sum).epsilon(battery::tolerance<T>()).margin(1e-300));
      CHECK(x.vector() == values);  // not kept, so not changed
      kernels::multiply(y.data(), n, T(3));
      for (std::size_t i = 0; i < at(n); ++i)
        REQUIRE(static_cast<double>(y[i]) ==
                Approx(3 * std::exp(static_cast<double>(values[i]) - 2))
                    .epsilon(battery::tolerance<T>()));
    }
  });
}
