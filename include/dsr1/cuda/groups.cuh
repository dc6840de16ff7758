// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Groups of rows on a CUDA device, cut into tiles: one launch does all groups.
#pragma once

#include <vector>

#include <dsr1/cuda/launch.cuh>
#include <dsr1/tensor/groups.hpp>

namespace dsr1 {

/// Up to `rows` rows of one group.
struct group_tile {
  index_t group;
  index_t begin, end;  ///< the rows of the group
  index_t number;      ///< of the tile in its group
};

/// The groups of a call in the memory of a device; empty groups have no tile.
struct device_groups {
  view<const index_t, 1> ends;
  view<const index_t, 1> tile_ends;  ///< as `ends`, in tiles
  index_t tiles = 0;

  /// Where the tiles of a group begin; group `count` is the end.
  __device__ index_t first_tile(index_t group) const {
    return group == 0 ? 0 : tile_ends[group - 1];
  }
  __device__ index_t begin(index_t group) const { return group == 0 ? 0 : ends[group - 1]; }
  __device__ index_t end(index_t group) const { return ends[group]; }

  __device__ group_tile tile(index_t number) const {
    index_t low = 0, high = ends.rows();
    while (low < high) {
      const index_t middle = (low + high) / 2;
      if (tile_ends[middle] > number)
        high = middle;
      else
        low = middle + 1;
    }
    return {low, begin(low), end(low), number - first_tile(low)};
  }
};

/// In the workspace: take it inside a scope.
template <class Ctx>
device_groups on_device(Ctx& ctx, const row_groups& groups, index_t rows_of_tile) {
  const index_t count = groups.count();
  std::vector<index_t> host(static_cast<std::size_t>(2 * count));
  device_groups out;
  for (index_t g = 0; g < count; ++g) {
    out.tiles += ceil_div(groups.length(g), rows_of_tile);
    host[static_cast<std::size_t>(g)] = groups.end(g);
    host[static_cast<std::size_t>(count + g)] = out.tiles;
  }
  const auto there = on_device(ctx, std::span<const index_t>(host));
  out.ends = there.slice_rows(0, count);
  out.tile_ends = there.slice_rows(count, count);
  return out;
}

}  // namespace dsr1
