// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// For a host compiler the mark is empty and changes nothing about a function.

#include "catch.hpp"

#include <dsr1/core/host_device.hpp>

namespace {

DSR1_HOST_DEVICE constexpr int twice(int x) { return 2 * x; }
static_assert(twice(21) == 42);

struct holder {
  DSR1_HOST_DEVICE explicit constexpr holder(int x) : value(x) {}
  int value;
};

}  // namespace

TEST_CASE("host_device: a marked function is an ordinary function on the host") {
  constexpr const char* mark = "" DSR1_HOST_DEVICE;  // would not compile, were it not empty
  CHECK(mark[0] == '\0');
  int (*pointer)(int) = twice;
  CHECK(pointer(3) == 6);
  CHECK(holder(5).value == 5);
}
