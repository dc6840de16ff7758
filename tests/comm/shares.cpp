// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Shares cover a vector, in order, and differ by at most one element.

#include <algorithm>

#include "catch.hpp"

#include <dsr1/comm/shares.hpp>

using namespace dsr1;

TEST_CASE("shares: they cover the vector and differ by at most one element") {
  for (const int ranks : {1, 2, 3, 4, 7})
    for (const index_t count : {0, 1, 2, 6, 7, 8, 1000}) {
      CHECK(share_begin(count, 0, ranks) == 0);
      CHECK(share_begin(count, ranks, ranks) == count);
      index_t least = count, most = 0;
      for (int r = 0; r < ranks; ++r) {
        CHECK(share_begin(count, r, ranks) + share_size(count, r, ranks) ==
              share_begin(count, r + 1, ranks));
        least = std::min(least, share_size(count, r, ranks));
        most = std::max(most, share_size(count, r, ranks));
      }
      CHECK(most - least <= 1);
    }
}
