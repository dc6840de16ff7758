// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Operations compiled once: for a communicator of one's own, and with the bits of all others.

#include "catch.hpp"

#include <dsr1/cpu/instances.hpp>

using namespace dsr1;

namespace {
struct own_comm : loopback {};
}  // namespace

namespace dsr1 {
DSR1_CPU_INSTANCES(extern, own_comm, float)
DSR1_CPU_INSTANCES(, own_comm, float)
}  // namespace dsr1

TEST_CASE("instances: an operation compiled once gives the bits of one compiled in place") {
  context<cpu> here({.threads = 1});
  context<cpu, own_comm> there({.threads = 1});
  std::vector<float> a(7 * 33), b(33 * 19), c(7 * 19), d(7 * 19);
  const random_stream random(1);
  cpu::fill_normal(here, view<float, 1>(a.data(), 7 * 33), random, 1);
  cpu::fill_normal(there, view<float, 1>(b.data(), 33 * 19), random, 1);
  CHECK(std::equal(a.begin(), a.end(), b.begin()));
  cpu::matmul(here, matrix<const float>(view<const float, 2>(a.data(), 7, 33)),
              matrix<const float>(view<const float, 2>(b.data(), 33, 19)),
              view<float, 2>(c.data(), 7, 19));
  cpu::matmul(there, matrix<const float>(view<const float, 2>(a.data(), 7, 33)),
              matrix<const float>(view<const float, 2>(b.data(), 33, 19)),
              view<float, 2>(d.data(), 7, 19));
  CHECK(c == d);
  CHECK(c[0] != 0);
}
