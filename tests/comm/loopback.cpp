// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// One rank: the sum over the ranks is what was there.

#include <limits>
#include <vector>

#include "catch.hpp"

#include <dsr1/comm/loopback.hpp>

using namespace dsr1;

static_assert(communicator<loopback>);
static_assert(loopback::rank() == 0 && loopback::size() == 1,
              "known at compile time, so branches on it vanish");

TEMPLATE_TEST_CASE("loopback: reductions change nothing", "", float, double) {
  loopback comm;
  const std::vector<TestType> before = {1, TestType(-2.5), 0,
                                        std::numeric_limits<TestType>::infinity()};
  std::vector<TestType> v = before;
  comm.all_reduce(view<TestType, 1>(v.data(), 4));
  comm.all_reduce(view<TestType, 1>(v.data(), 0));
  comm.all_reduce(view<TestType, 1>());
  comm.barrier();
  CHECK(v == before);
}
