// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Success on all ranks, or an error on all.

#include <atomic>

#include "catch.hpp"

#include <dsr1/comm/loopback.hpp>
#include <dsr1/comm/threads.hpp>
#include <dsr1/comm/together.hpp>

using namespace dsr1;

TEST_CASE("on_all_ranks: one that fails stops all, and they can go on together") {
  std::atomic<int> own = 0, told = 0;
  run_ranks(3, [&](rank_group& group) {
    on_all_ranks(group, "working", [] {});
    try {
      on_all_ranks(group, "writing the file", [&] {
        if (group.rank() == 1) throw error("the disk is full");
      });
    } catch (const error& e) {
      own += mentions(e.what(), "the disk is full");
      told += mentions(e.what(), "writing the file: rank 1 could not");
    }
    group.barrier();
  });
  CHECK(own == 1);
  CHECK(told == 2);
  loopback alone;
  CHECK(mentions(message_of([&] { on_all_ranks(alone, "x", [] { throw error("why"); }); }), "why"));
}

TEST_CASE("gather_lists: one after the other, in the order of the ranks, also empty ones") {
  run_ranks(3, [](rank_group& group) {
    const std::vector<int> mine(static_cast<std::size_t>(group.rank()), 10 + group.rank());
    expects(gather_lists(group, mine) == std::vector<int>{11, 12, 12}, "another list");
  });
}
