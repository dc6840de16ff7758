// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Consecutive groups of rows, empty ones among them.

#include <vector>

#include "catch.hpp"

#include <dsr1/tensor/groups.hpp>

using namespace dsr1;

TEST_CASE("groups: begin, end and length of each, the longest, the total") {
  const std::vector<index_t> ends = {0, 3, 3, 10, 11, 11};
  const row_groups g(ends);
  CHECK(g.count() == 6);
  CHECK(g.rows() == 11);
  CHECK(g.longest() == 7);
  const index_t lengths[] = {0, 3, 0, 7, 1, 0};
  index_t at = 0;
  for (index_t i = 0; i < 6; ++i) {
    CHECK(g.begin(i) == at);
    CHECK(g.length(i) == lengths[i]);
    at += lengths[i];
    CHECK(g.end(i) == at);
  }
}

TEST_CASE("groups: none at all, and all of them empty") {
  const row_groups none;
  CHECK(none.count() == 0);
  CHECK(none.rows() == 0);
  CHECK(none.longest() == 0);
  const std::vector<index_t> zeros(3, 0);
  const row_groups empty(zeros);
  CHECK(empty.count() == 3);
  CHECK(empty.rows() == 0);
  CHECK(empty.longest() == 0);
}

TEST_CASE("groups: ends must ascend from zero") {
  const std::vector<index_t> back = {4, 3}, negative = {-1, 2};
  CHECK(message_of([&] { row_groups g(back); }) == "row_groups: an end of 3 after one of 4");
  CHECK(message_of([&] { row_groups g(negative); }) == "row_groups: an end of -1 after one of 0");
}
