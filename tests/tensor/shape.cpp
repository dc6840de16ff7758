// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Static and dynamic extents meet here: what fits, and what each misfit says.

#include "catch.hpp"

#include <dsr1/tensor/shape.hpp>

using namespace dsr1;

TEST_CASE("shape: an extent comes from the type, or from the constructor, or from both alike") {
  static_assert(resolve_extent("n", 4, dynamic) == 4);
  static_assert(resolve_extent("n", dynamic, 7) == 7);
  static_assert(resolve_extent("n", 4, 4) == 4);
  static_assert(resolve_extent("n", dynamic, 0, 0) == 0);
  CHECK(resolve_extent("n", dynamic, 1) == 1);
}

TEST_CASE("shape: a misfit names the extent, what was given and what was expected") {
  CHECK(message_of([] { resolve_extent("moe: dim", 4, 5); }) ==
        "moe: dim is 5, but the type fixes it to 4");
  CHECK(message_of([] { resolve_extent("moe: dim", 4, 0); }) ==
        "moe: dim is 0, but the type fixes it to 4");
  CHECK(message_of([] { resolve_extent("n", dynamic, dynamic); }) ==
        "n is -1, expected at least 1 (a dynamic extent must be given to the constructor)");
  CHECK(mentions(message_of([] { resolve_extent("n", dynamic, 0); }), "n is 0", "at least 1"));
  CHECK(message_of([] { resolve_extent("n", 0, dynamic); }) == "n is 0, expected at least 1");
  CHECK(mentions(message_of([] { resolve_extent("n", dynamic, 3, 4); }), "n is 3", "at least 4"));
  CHECK(mentions(message_of([] { resolve_extent("n", dynamic, -5, 0); }), "n is -5", "at least 0"));
}

TEST_CASE("shape: rounding up and dividing up") {
  static_assert(round_up(0, 8) == 0 && round_up(1, 8) == 8 && round_up(8, 8) == 8 &&
                round_up(9, 8) == 16);
  static_assert(ceil_div(0, 8) == 0 && ceil_div(1, 8) == 1 && ceil_div(8, 8) == 1 &&
                ceil_div(9, 8) == 2);
  CHECK(round_up(7, 1) == 7);
  CHECK(ceil_div(7, 1) == 7);
}
