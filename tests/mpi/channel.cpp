// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Under mpirun: what ranks learn of each other outside the exchanges.

#include <thread>

#include "catch.hpp"
#include "mpi/world.hpp"

#include <dsr1/mpi/transport.hpp>

using namespace dsr1;

TEST_CASE(
    "mpi: a rank that abandons a group ends the waiting of the others, in groups made of it") {
  if (the_world()->size() == 1) return;
  rank_group group = fresh_world(), inner = group.duplicate();
  the_world()->barrier();
  if (group.rank() == 1) {
    group.abandon("the reason");
    CHECK(message_of([&] { inner.barrier(); }) == "the reason");
  } else {
    CHECK(message_of([&] { inner.barrier(); }) == "the reason");
    CHECK(message_of([&] { group.barrier(); }) == "the reason");
  }
  the_world()->barrier();
}

TEST_CASE("mpi: a rank that leaves is named by those who wait for it") {
  if (the_world()->size() == 1) return;
  {
    rank_group group = fresh_world();
    group.barrier();
    if (group.rank() != 1) {
      const std::string what = message_of([&] { group.barrier(); });
      CHECK(mentions(what, "rank 1 left the group, while rank ", "is in barrier, exchange 1"));
    }
  }
  the_world()->barrier();
}

TEST_CASE("mpi: abandoned by another thread, a rank stops waiting") {
  if (the_world()->size() == 1) return;
  rank_group group = fresh_world();
  if (group.rank() == 0) {
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      group.abandon("enough");
    });
    CHECK(message_of([&] { group.barrier(); }) == "enough");
    other.join();
  }
  the_world()->barrier();
}
