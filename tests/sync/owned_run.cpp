// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Vectors cut into runs.

#include "catch.hpp"

#include <dsr1/sync/owned_run.hpp>

using namespace dsr1;

TEST_CASE(
    "even_runs: whole blocks, all of the vector, also when there are fewer blocks than ranks") {
  for (const index_t count : {0, 1, 255, 256, 1000, 4096})
    for (const int ranks : {1, 2, 3, 4}) {
      index_t at = 0;
      for (const owned_run& r : even_runs(count, 256, ranks)) {
        CHECK(r.at == at);
        CHECK((r.size % 256 == 0 || at + r.size == count));
        CHECK(r.held_by(r.owner));
        CHECK(r.holders.size() == static_cast<std::size_t>(ranks));
        at += r.size;
      }
      CHECK(at == count);
    }
}
