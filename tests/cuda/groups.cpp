// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Groups of rows on a device: every tile finds its group.

#include "battery/device.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/groups.cuh>

using namespace dsr1;

namespace {

__global__ void find(device_groups groups, view<index_t, 2> found) {
  const index_t i = thread_number();
  if (i >= groups.tiles) return;
  const group_tile t = groups.tile(i);
  found(i, 0) = t.group;
  found(i, 1) = t.begin;
  found(i, 2) = t.end;
  found(i, 3) = t.number;
}

}  // namespace

TEST_CASE("cuda groups: tiles in order, none for empty groups", "[cuda]") {
  context<cuda_part<cuda_tensor>> ctx;
  std::vector<index_t> many;
  for (index_t g = 0; g < 1000; ++g) many.push_back((many.empty() ? 0 : many.back()) + g * 7 % 5);
  for (const std::vector<index_t>& ends :
       {std::vector<index_t>{0, 3, 3, 20, 21, 90, 90}, {5}, {0, 0, 0}, {}, {0, 0, 300}, many})
    for (const index_t rows : {1, 8, 64}) {
      const row_groups groups(ends);
      const workspace::scope scope(ctx.workspace());
      const device_groups there = on_device(ctx, groups, rows);
      std::vector<index_t> expected;
      for (index_t g = 0; g < groups.count(); ++g)
        for (index_t n = 0; n * rows < groups.length(g); ++n)
          expected.insert(expected.end(), {g, groups.begin(g), groups.end(g), n});
      REQUIRE(there.tiles * 4 == static_cast<index_t>(expected.size()));
      const battery::device_matrix<decltype(ctx), index_t> found(ctx, there.tiles, 4);
      launch_each(ctx, "find", there.tiles, find, there, found.out());
      CHECK(found.host() == expected);
    }
}
