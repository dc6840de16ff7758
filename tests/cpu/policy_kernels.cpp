// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Kernels on a policy's row of logits stay inside it, for every length and instruction set.

#include "catch.hpp"
#include "cpu/each_isa.hpp"

#include <dsr1/cpu/policy_kernels.hpp>

using namespace dsr1;

TEST_CASE("policy_kernels: sums and gradients of a naive loop, at every length") {
  for_each_isa([](auto set) {
    using T = typename decltype(set)::value;
    using kernels = simd::policy_kernels<decltype(set)>;
    const double near = 10 * battery::tolerance<T>();
    for (const index_t n : lengths) {
      const auto values = battery::normals<T>(n, 1), others = battery::normals<T>(n, 2);
      guarded<T> x(values), y(values), z(values), r(others);
      double sum = 0, moment = 0, difference = 0;
      std::vector<double> plain, both;
      for (std::size_t i = 0; i < at(n); ++i) {
        const double below = static_cast<double>(values[i]) - 2,
                     apart = below - static_cast<double>(others[i]) + 3;
        const double e = std::exp(0.5 * below);
        sum += e;
        moment += e * below;
        difference += e * apart;
        plain.push_back(e * (0.25 - 2 * below));
        both.push_back(e * (0.25 - 2 * below + 3 * apart));
      }
      const simd::row_below<T> p = {x.data(), T(2)}, q = {r.data(), T(3)};
      const auto a = kernels::template sums<true>(p, q, n, T(0.5)),
                 b = kernels::template sums<false>(p, {}, n, T(0.5));
      CHECK(static_cast<double>(a.exponentials) == Approx(sum).margin(near));
      CHECK(static_cast<double>(a.moment) == Approx(moment).margin(near));
      CHECK(static_cast<double>(a.difference) == Approx(difference).margin(near));
      CHECK(a.exponentials == b.exponentials);
      CHECK(a.moment == b.moment);
      CHECK(b.difference == 0);
      CHECK(kernels::template sums<true>(p, p, n, T(0.5)).difference == 0);
      CHECK(x.vector() == values);
      const simd::policy_slopes<T> slopes = {T(0.25), T(-2), T(3)};
      kernels::template gradient<true>(y.data(), T(2), q, n, T(0.5), slopes);
      kernels::template gradient<false>(z.data(), T(2), {}, n, T(0.5), slopes);
      for (std::size_t i = 0; i < at(n); ++i) {
        REQUIRE(static_cast<double>(y[i]) == Approx(both[i]).margin(near));
        REQUIRE(static_cast<double>(z[i]) == Approx(plain[i]).margin(near));
      }
    }
  });
}
