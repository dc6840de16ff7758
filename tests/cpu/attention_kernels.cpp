// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The online softmax of a row of scores, its gradient, and rotation inside a head.

#include "catch.hpp"
#include "cpu/each_isa.hpp"

#include <dsr1/cpu/attention_kernels.hpp>

using namespace dsr1;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("attention_kernels: blocks of scores, one after the other, make one softmax") {
  for_each_isa([](auto set) {
    using T = typename decltype(set)::value;
    using kernels = simd::attention_kernels<decltype(set)>;
    const int columns = 32;
    struct range {
      int low, high;
    };
    const range ranges[] = {{0, 32}, {5, 32},  {31, 32}, {0, 1},
                            {7, 20}, {15, 17}, {16, 32}, {0, 16}};
    for (const double start : {-infinity, 0.5, 50.0}) {  // no sink, and two
      T top = static_cast<T>(start), sum = start == -infinity ? T(0) : T(1);
      double expected = start == -infinity ? 0 : std::exp(start), kept = 1;
      std::vector<double> seen;
      for (std::size_t b = 0; b < std::size(ranges); ++b) {
        const auto s = battery::normals<T>(columns, b + 1, 5);
        guarded<T> row(s);
        const T shrink =
            kernels::update(row.data(), columns, ranges[b].low, ranges[b].high, T(0.5), top, sum);
        CHECK(shrink >= 0);
        CHECK(shrink <= 1);
        if (b == 0 && start == -infinity) CHECK(shrink == 0);
        kept *= b == 0 ? 1 : static_cast<double>(shrink);
        for (int j = 0; j < columns; ++j) {
          const bool visible = j >= ranges[b].low && j < ranges[b].high;
          const double score = 0.5 * static_cast<double>(s[at(j)]);
          if (visible) expected += std::exp(score);
          const double p = visible ? std::exp(score - static_cast<double>(top)) : 0;
          REQUIRE(static_cast<double>(row[at(j)]) ==
                  Approx(p).epsilon(10 * battery::tolerance<T>()).margin(1e-37));
        }
        CHECK(std::log(expected) ==
              Approx(static_cast<double>(top) + std::log(static_cast<double>(sum)))
                  .epsilon(10 * battery::tolerance<T>()));
      }
      CHECK(kept > 0);
    }
  });
}

TEST_CASE("attention_kernels: probabilities of visible columns, and the gradient of scores") {
  for_each_isa([](auto set) {
    using T = typename decltype(set)::value;
    using kernels = simd::attention_kernels<decltype(set)>;
    for (int low = 0; low < 32; low += 3)
      for (int high = low + 1; high <= 32; high += 4) {
        const auto s = battery::normals<T>(32, 1), d = battery::normals<T>(32, 2);
        guarded<T> p(s), dp(d);
        p[at(low == 0 ? 31 : 0)] =
            std::numeric_limits<T>::quiet_NaN();  // what is not seen may be anything
        kernels::probabilities(p.data(), 32, low, high, T(0.5), T(1.25));
        kernels::score_gradient(p.data(), dp.data(), 32, T(0.5), T(0.125));
        for (int j = 0; j < 32; ++j) {
          const double expected =
              j >= low && j < high ? std::exp(0.5 * static_cast<double>(s[at(j)]) - 1.25) : 0;
          REQUIRE(static_cast<double>(p[at(j)]) ==
                  Approx(expected).epsilon(battery::tolerance<T>()).margin(1e-300));
          REQUIRE(static_cast<double>(dp[at(j)]) ==
                  Approx(0.5 * expected * (static_cast<double>(d[at(j)]) - 0.125))
                      .epsilon(battery::tolerance<T>())
                      .margin(1e-6));
        }
      }
  });
}

TEST_CASE("attention_kernels: rows are scaled and heads rotated inside their bounds") {
  for_each_isa([](auto set) {
    using T = typename decltype(set)::value;
    using kernels = simd::attention_kernels<decltype(set)>;
    for (const index_t n : lengths) {
      const auto values = battery::normals<T>(2 * n, 1), c = battery::normals<T>(n, 2),
                 s = battery::normals<T>(n, 3);
      const guarded<T> cosine(c), sine(s);
      guarded<T> scaled(values), halves(values), pairs(values);
      kernels::multiply_row(scaled.data(), 2 * n, T(-2));
      kernels::rotate_halves(halves.data(), cosine.data(), sine.data(), n, T(-1));
      kernels::rotate_pairs(pairs.data(), cosine.data(), sine.data(), n, T(1));
      for (std::size_t i = 0; i < at(2 * n); ++i) REQUIRE(scaled[i] == T(-2) * values[i]);
      for (std::size_t i = 0; i < at(n); ++i) {
        const double co = static_cast<double>(c[i]), si = static_cast<double>(s[i]);
        const double a = static_cast<double>(values[i]), b = static_cast<double>(values[i + at(n)]);
        REQUIRE(static_cast<double>(halves[i]) == Approx(a * co + b * si).margin(1e-5));
        REQUIRE(static_cast<double>(halves[i + at(n)]) == Approx(b * co - a * si).margin(1e-5));
        const double e = static_cast<double>(values[2 * i]),
                     o = static_cast<double>(values[2 * i + 1]);
        REQUIRE(static_cast<double>(pairs[2 * i]) == Approx(e * co - o * si).margin(1e-5));
        REQUIRE(static_cast<double>(pairs[2 * i + 1]) == Approx(o * co + e * si).margin(1e-5));
      }
    }
  });
}
