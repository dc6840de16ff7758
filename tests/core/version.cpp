// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The version that a program sees is the one that its headers were written with.

#include "catch.hpp"

#include <dsr1/core/version.hpp>

using namespace dsr1;

TEST_CASE("version: the macros and the struct agree") {
  constexpr version v;
  static_assert(v.major == DSR1_VERSION_MAJOR && v.minor == DSR1_VERSION_MINOR &&
                v.patch == DSR1_VERSION_PATCH);
  CHECK(v.major >= 0);
  CHECK(v.minor >= 0);
  CHECK(v.patch >= 0);
#if DSR1_VERSION_MAJOR * 10000 + DSR1_VERSION_MINOR * 100 + DSR1_VERSION_PATCH == 0
  FAIL("the preprocessor can compare versions");
#endif
}
