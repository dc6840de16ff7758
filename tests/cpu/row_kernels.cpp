// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Kernels on one row stay inside it, for every length and instruction set.

#include "catch.hpp"
#include "cpu/each_isa.hpp"

#include <dsr1/cpu/row_kernels.hpp>

using namespace dsr1;

namespace {

template <class T>
guarded<T> row_of(index_t n, std::uint64_t stream) {
  return guarded<T>(battery::normals<T>(n, stream));
}

template <class T>
bool close(const guarded<T>& values, const std::vector<double>& expected) {
  for (std::size_t i = 0; i < expected.size(); ++i)
    if (!(std::abs(static_cast<double>(values[i]) - expected[i]) <= battery::tolerance<T>()))
      return false;
  return true;
}

}  // namespace

TEST_CASE("row_kernels: add, scaled_add and dot") {
  for_each_isa([](auto set) {
    using T = typename decltype(set)::value;
    using kernels = simd::row_kernels<decltype(set)>;
    for (const index_t n : lengths) {
      const auto x = row_of<T>(n, 1);
      auto y = row_of<T>(n, 2), z = row_of<T>(n, 2), w = row_of<T>(n, 2);
      const std::vector<T> before = y.vector();
      double product = 0;
      std::vector<double> added, scaled, replaced;
      for (std::size_t i = 0; i < at(n); ++i) {
        product += static_cast<double>(x[i]) * static_cast<double>(before[i]);
        added.push_back(static_cast<double>(before[i]) + static_cast<double>(x[i]));
        scaled.push_back(static_cast<double>(before[i]) + 0.5 * static_cast<double>(x[i]));
        replaced.push_back(0.5 * static_cast<double>(x[i]));
      }
      CHECK(std::abs(static_cast<double>(kernels::dot(x.data(), y.data(), n)) - product) <
            20 * battery::tolerance<T>());
      kernels::add(x.data(), y.data(), n);
      kernels::scaled_add(T(0.5), x.data(), z.data(), n, false);
      for (std::size_t i = 0; i < at(n); ++i)
        w[i] = std::numeric_limits<T>::quiet_NaN();  // what is replaced is not read
      kernels::scaled_add(T(0.5), x.data(), w.data(), n, true);
      CHECK(close(y, added));
      CHECK(close(z, scaled));
      CHECK(close(w, replaced));
    }
  });
}

TEST_CASE("row_kernels: normalisation and its gradient, with and without a weight") {
  for_each_isa([](auto set) {
    using T = typename decltype(set)::value;
    using kernels = simd::row_kernels<decltype(set)>;
    for (const index_t n : lengths)
      for (const bool weighted : {false, true}) {
        const auto x = row_of<T>(n, 1), weight = row_of<T>(n, 2), dy = row_of<T>(n, 3);
        const T* w = weighted ? weight.data() : nullptr;
        auto y = row_of<T>(n, 4), dx = row_of<T>(n, 5), dw = row_of<T>(n, 6);
        const std::vector<T> start = dw.vector();
        kernels::normalise(x.data(), w, T(0.75), y.data(), n);
        const double projection =
            static_cast<double>(kernels::normalise_projection(dy.data(), x.data(), w, n));
        kernels::normalise_backward(dy.data(), x.data(), w, T(0.75), T(0.25), dx.data(),
                                    weighted ? dw.data() : nullptr, n);
        double sum = 0;
        std::vector<double> out, gradient, weights;
        for (std::size_t i = 0; i < at(n); ++i) {
          const double a = static_cast<double>(x[i]), g = static_cast<double>(dy[i]),
                       b = weighted ? static_cast<double>(weight[i]) : 1;
          sum += g * b * a;
          out.push_back(a * 0.75 * b);
          gradient.push_back(0.75 * (b * g - a * 0.25));
          weights.push_back(static_cast<double>(start[i]) + (weighted ? g * a * 0.75 : 0));
        }
        CHECK(std::abs(projection - sum) < 20 * battery::tolerance<T>());
        CHECK(close(y, out));
        CHECK(close(dx, gradient));
        CHECK(close(dw, weights));
      }
  });
}

TEST_CASE("row_kernels: gated units read and write pairs inside their rows") {
  for_each_isa([](auto set) {
    using T = typename decltype(set)::value;
    using kernels = simd::row_kernels<decltype(set)>;
    for (const index_t n : lengths) {
      const auto x = row_of<T>(2 * n, 1), dy = row_of<T>(n, 2);
      auto y = row_of<T>(n, 3), dx = row_of<T>(2 * n, 4);
      kernels::gated_unit(x.data(), y.data(), n, T(1.5), T(1), T(0.5));
      kernels::gated_unit_backward(dy.data(), x.data(), dx.data(), n, T(1.5), T(1), T(0.5));
      std::vector<double> out, gradient;
      for (std::size_t i = 0; i < at(n); ++i) {
        const double g0 = static_cast<double>(x[2 * i]), u0 = static_cast<double>(x[2 * i + 1]),
                     d = static_cast<double>(dy[i]);
        const double g = std::min(g0, 1.0), u = std::clamp(u0, -1.0, 1.0),
                     s = 1 / (1 + std::exp(-1.5 * g));
        out.push_back(g * s * (u + 0.5));
        gradient.push_back(g0 > 1 ? 0 : d * (u + 0.5) * s * (1 + 1.5 * g * (1 - s)));
        gradient.push_back(std::abs(u0) > 1 ? 0 : d * g * s);
      }
      CHECK(close(y, out));
      CHECK(close(dx, gradient));
    }
  });
}
