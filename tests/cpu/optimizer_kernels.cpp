// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Kernels of optimizer steps stay inside their tensors, for every length and instruction set.

#include "catch.hpp"
#include "cpu/each_isa.hpp"

#include <dsr1/cpu/optimizer_kernels.hpp>

using namespace dsr1;

namespace {

/// f(n, p, g, a, b) with four arrays that end at a forbidden page.
template <class T, class F>
void with_guarded(F&& f) {
  for (const index_t n : lengths)
    for (const bool gradient : {true, false}) {
      guarded<T> p(battery::normals<T>(n, 1)), g(battery::normals<T>(n, 2)),
          a(battery::normals<T>(n, 3)), b(std::vector<T>(at(n), T(2)));
      f(n, p, gradient ? g.data() : nullptr, a, b);
      for (std::size_t i = 0; i < at(n); ++i)
        REQUIRE((std::isfinite(p[i]) && std::isfinite(a[i]) && std::isfinite(b[i])));
    }
}

}  // namespace

TEST_CASE("optimizer_kernels: steps of one chunk, at every length") {
  for_each_isa([](auto set) {
    using T = typename decltype(set)::value;
    using kernels = simd::optimizer_kernels<decltype(set)>;
    with_guarded<T>([](index_t n, auto& p, const T* g, auto& m, auto& v) {
      const auto before = m.vector();
      kernels::adamw(p.data(), g, m.data(), v.data(), n,
                     {.beta1 = 0.5,
                      .beta2 = 0.5,
                      .eps = 0,
                      .correction1 = 1,
                      .correction2 = 1,
                      .gradient_scale = 2},
                     0.1, 0);
      for (std::size_t i = 0; i < at(n); ++i) {
        const double gradient = g ? 2 * static_cast<double>(g[i]) : 0;
        REQUIRE(static_cast<double>(m[i]) ==
                Approx((static_cast<double>(before[i]) + gradient) / 2).margin(1e-6));
        REQUIRE(static_cast<double>(v[i]) == Approx(1 + gradient * gradient / 2).epsilon(1e-6));
      }
    });
    with_guarded<T>([](index_t n, auto& p, const T* g, auto& b, auto&) {
      const sgd_numbers numbers{
          .momentum = 0.5, .dampening = 0, .nesterov = true, .first = false, .gradient_scale = 1};
      kernels::sgd(p.data(), g, b.data(), n, numbers, 0.1, 0.1);
      kernels::sgd(p.data(), g, nullptr, n, numbers, 0.1, 0.1);
    });
    with_guarded<T>([](index_t n, auto& p, const T* g, auto& m, auto&) {
      const auto before = p.vector();
      kernels::lion(p.data(), g, m.data(), n, {.beta1 = 0.5, .beta2 = 0.5, .gradient_scale = 1},
                    0.25, 0);
      for (std::size_t i = 0; i < at(n); ++i)
        REQUIRE(std::abs(p[i] - before[i]) == Approx(T(0.25)).epsilon(1e-4));
    });
    with_guarded<T>([](index_t n, auto& p, const T* g, auto& b, auto& u) {
      kernels::muon_momentum(g, b.data(), u.data(), n,
                             {.momentum = 0.5, .nesterov = false, .gradient_scale = 1});
      REQUIRE(u.vector() == b.vector());
      const auto before = p.vector();
      kernels::apply_update(p.data(), u.data(), n, 0.5, 2);
      for (std::size_t i = 0; i < at(n); ++i)
        REQUIRE(static_cast<double>(p[i]) ==
                Approx(static_cast<double>(before[i]) / 2 - 2 * static_cast<double>(u[i]))
                    .margin(1e-5));
    });
  });
}

TEST_CASE("optimizer_kernels: sums of squares, exact where they are whole numbers") {
  for_each_isa([](auto set) {
    using T = typename decltype(set)::value;
    using kernels = simd::optimizer_kernels<decltype(set)>;
    for (const index_t n : {0, 1, 15, 16, 17, 1023, 1024, 1025, 5000}) {
      guarded<T> g(std::vector<T>(at(n), T(3)));
      CHECK(kernels::squared_norm(g.data(), n) == 9.0 * static_cast<double>(n));
    }
  });
}
