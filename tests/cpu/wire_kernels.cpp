// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Kernels of the wire stay inside their arrays, for every length and instruction set.

#include "catch.hpp"
#include "cpu/each_isa.hpp"

#include <dsr1/cpu/wire_kernels.hpp>

using namespace dsr1;

TEST_CASE("wire_kernels: one block at every length, beside forbidden pages") {
  for_each_isa([](auto set) {
    using T = typename decltype(set)::value;
    using kernels = simd::wire_kernels<decltype(set)>;
    for (const wire_code c :
         {wire_code::f32, wire_code::bf16, wire_code::fp8, wire_code::int8, wire_code::int4})
      for (const bool stochastic : {false, true})
        for (const index_t n : lengths) {
          if (n == 0 || (stochastic && c == wire_code::f32)) continue;
          const wire_format f{.code = c, .block = 128, .stochastic = stochastic};
          const auto bytes = at(ceil_div(n * f.bits(), 8));
          guarded<T> x(battery::normals<T>(n, 1)), r(std::vector<T>(at(n), T(0))), y(at(n));
          guarded<std::byte> scale(4), codes(bytes);
          kernels::pack(f, x.data(), r.data(), n, random_stream(1), 0, scale.data(), codes.data());
          kernels::unpack(f, scale.data(), codes.data(), n, y.data(), false);
          for (std::size_t i = 0; i < at(n); ++i) REQUIRE(y[i] == Approx(x[i] - r[i]));
          kernels::unpack(f, scale.data(), codes.data(), n, y.data(), true);
          for (std::size_t i = 0; i < at(n); ++i) REQUIRE(y[i] == Approx(2 * (x[i] - r[i])));
          REQUIRE(kernels::first_not_finite(x.data(), n) == -1);
        }
  });
}
