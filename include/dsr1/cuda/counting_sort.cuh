// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A stable sort by small keys, which groups choices by expert and added rows by target.
#pragma once

#include <limits>

#include <dsr1/cuda/launch.cuh>
#include <dsr1/cuda/warp.cuh>

namespace dsr1 {

/// Rows in order of key, then of element; on the device.
struct sorted_rows {
  view<std::int32_t, 1> order;  ///< element of each row; rows from ends[keys - 1] on are undefined
  view<std::int32_t, 1> ends;   ///< end of each key's rows

  __device__ index_t begin(index_t key) const { return key == 0 ? 0 : ends[key - 1]; }
  __device__ index_t end(index_t key) const { return ends[key]; }
  __device__ index_t rows() const { return ends.rows() == 0 ? 0 : ends[ends.rows() - 1]; }
};

/// A key where the values have no small bound: sources that share it are told apart afterwards.
inline constexpr index_t hashed_keys = 512;

namespace cuda_kernels {

/// Elements that one warp ranks, one warp's width at a time.
inline constexpr index_t sort_chunk = 256;

/// The sum of the values of this lane and those before it. All lanes take part.
template <class T>
__device__ T warp_prefix_sum(T value) {
#pragma unroll
  for (int distance = 1; distance < warp_size; distance *= 2) {
    const T before = __shfl_up_sync(all_lanes, value, static_cast<unsigned>(distance));
    if (lane_number() >= distance) value += before;
  }
  return value;
}

/// counts(key, chunk), integers: their order does not matter.
template <class Key>
__global__ void count_keys(Key key, index_t count, view<std::int32_t, 2> counts) {
  const index_t i = thread_number();
  const index_t k = i < count ? key(i) : -1;
  if (k >= 0) atomicAdd(&counts(k, i / sort_chunk), 1);
}

/// Every row of the counts becomes sums of what is before, and its total goes to ends. One warp a
/// key.
template <class T>
__global__ void sum_chunks(view<T, 2> counts, view<T, 1> ends) {
  const index_t key = thread_number() / warp_size;
  if (key >= counts.rows()) return;  // all lanes of the warp
  T before = 0;
  for (index_t first = 0; first < counts.columns(); first += warp_size) {
    const index_t chunk = first + lane_number();
    const T own = chunk < counts.columns() ? counts(key, chunk) : T(0);
    const T sum = warp_prefix_sum(own);
    if (chunk < counts.columns()) counts(key, chunk) = before + sum - own;
    before += __shfl_sync(all_lanes, sum, warp_size - 1);
  }
  if (lane_number() == 0) ends[key] = before;
}

/// Totals become ends. One warp.
template <class T>
__global__ void sum_keys(view<T, 1> ends) {
  T before = 0;
  for (index_t first = 0; first < ends.rows(); first += warp_size) {
    const index_t key = first + lane_number();
    const T sum = warp_prefix_sum(key < ends.rows() ? ends[key] : T(0));
    if (key < ends.rows()) ends[key] = before + sum;
    before += __shfl_sync(all_lanes, sum, warp_size - 1);
  }
}

/// Places the elements of one chunk a warp; place(element, row), where row is -1 without a key. In
/// the counts are the rows before the chunk, to which the warp adds its own as it goes.
template <class Key, class Place>
__global__ void place_elements(Key key, Place place, index_t count, view<std::int32_t, 2> counts,
                               view<std::int32_t, 1> ends) {
  const index_t chunk = thread_number() / warp_size;
  if (chunk >= counts.columns()) return;  // all lanes of the warp
  const int lane = lane_number();
  for (index_t first = chunk * sort_chunk; first < (chunk + 1) * sort_chunk; first += warp_size) {
    const index_t i = first + lane;
    const auto k = static_cast<int>(i < count ? key(i) : -1);
    const unsigned same = __match_any_sync(all_lanes, k);
    const int before = __popc(same & ((1u << lane) - 1));
    std::int32_t row = -1;
    if (k >= 0) row = (k == 0 ? 0 : ends[k - 1]) + counts(k, chunk) + before;
    __syncwarp();  // the counts have been read
    if (k >= 0 && before == 0) counts(k, chunk) += __popc(same);
    __syncwarp();
    if (i < count) place(i, row);
  }
}

/// What a plain sort keeps.
struct place_order {
  view<std::int32_t, 1> order;
  __device__ void operator()(index_t i, std::int32_t row) const {
    if (row >= 0) order[row] = static_cast<std::int32_t>(i);
  }
};

}  // namespace cuda_kernels

/// Sorts `count` elements by key(i) in [-1, ends.rows()), -1 for none, and calls place(i, row) for
/// every one of them; ends[k] receives the end of the rows with key k. Both are called in kernels,
/// key twice. The same rows on every device.
template <class Ctx, class Key, class Place>
void counting_sort(Ctx& ctx, std::string_view operation, index_t count, Key key, Place place,
                   view<std::int32_t, 1> ends) {
  expects(count <= std::numeric_limits<std::int32_t>::max(), operation, ": ", count,
          " elements to sort, expected at most 2147483647");
  const workspace::scope scope(ctx.workspace());
  const index_t chunks = ceil_div(count, cuda_kernels::sort_chunk);
  const auto counts = ctx.template take<std::int32_t>(ends.rows(), chunks);
  if (!counts.empty())
    check(cudaMemsetAsync(counts.data, 0,
                          static_cast<std::size_t>(counts.size()) * sizeof(std::int32_t),
                          ctx.device().stream()),
          operation);
  launch_each(ctx, operation, count, cuda_kernels::count_keys<Key>, key, count, counts);
  launch_each(ctx, operation, ends.rows() * warp_size, cuda_kernels::sum_chunks<std::int32_t>,
              counts, ends);
  launch(ctx, operation, 1, warp_size, cuda_kernels::sum_keys<std::int32_t>, ends);
  launch_each(ctx, operation, chunks * warp_size, cuda_kernels::place_elements<Key, Place>, key,
              place, count, counts, ends);
}

/// The elements in order of key; taken from the workspace.
template <class Ctx, class Key>
sorted_rows sort_rows(Ctx& ctx, std::string_view operation, index_t count, Key key, index_t keys) {
  const sorted_rows s{ctx.template take<std::int32_t>(count),
                      ctx.template take<std::int32_t>(keys)};
  counting_sort(ctx, operation, count, key, cuda_kernels::place_order{s.order}, s.ends);
  return s;
}

}  // namespace dsr1
