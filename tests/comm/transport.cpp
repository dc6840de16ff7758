// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What ranks tell each other about a message, and what they say when it does not fit.

#include "catch.hpp"

#include <dsr1/comm/transport.hpp>

using namespace dsr1;

TEST_CASE("transport: a call is written as its operation, elements, reduction, root and number") {
  CHECK(call{}.text() == "barrier, exchange 0");
  CHECK(call{.number = 7,
             .count = 128,
             .what = operation::all_reduce,
             .kind = 'f',
             .element_bytes = 4,
             .how = reduction::max}
            .text() == "all_reduce of 128 float32 (max), exchange 7");
  CHECK(call{.count = 3, .root = 2, .what = operation::broadcast, .kind = 'i', .element_bytes = 8}
            .text() == "broadcast of 3 int64 from rank 2, exchange 0");
  CHECK(call{.what = operation::all_to_all, .kind = 'u', .element_bytes = 2}.text() ==
        "all_to_all uint16, exchange 0");
  CHECK(call{.count = 9, .what = operation::all_gather}.text() ==
        "all_gather of 9 bytes, exchange 0");
}

TEST_CASE("transport: both ranks find the same of a message that does not fit") {
  const call what = {.what = operation::all_to_all};
  outgoing zero, one;
  incoming at_zero, at_one;
  zero.head = {.what = what, .bytes = 100, .expected = 60};
  one.head = {.what = what, .bytes = 60, .expected = 50};
  at_zero = {.head = one.head, .bytes = 60};
  at_one = {.head = zero.head, .bytes = 50};
  const std::string here = message_of([&] { expect_match(0, zero, 1, at_zero); });
  CHECK(here ==
        "in all_to_all bytes, exchange 0, rank 0 sends 100 bytes to rank 1, which expects 50");
  CHECK(message_of([&] { expect_match(1, one, 0, at_one); }) == here);
  at_zero.head.expected = 100;
  expect_match(0, zero, 1, at_zero);
  at_zero.head.what.number = 4;
  CHECK(message_of([&] { expect_match(0, zero, 1, at_zero); }) ==
        "the ranks do different things: rank 0 is in all_to_all bytes, exchange 0, rank 1 in "
        "all_to_all bytes, exchange 4");
}

TEST_CASE("transport: ranks are listed for messages") {
  CHECK(ranks_text(4, [](int r) { return r == 2; }) == "rank 2");
  CHECK(ranks_text(4, [](int r) { return r % 2 == 1; }) == "ranks 1, 3");
}
