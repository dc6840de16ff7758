// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The stable sort by small keys.

#include "battery/row_ops.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/counting_sort.cuh>

using namespace dsr1;

namespace {

using ctx_type = context<cuda_part<cuda_tensor>>;

struct key_in {
  view<const std::int32_t, 1> keys;
  __device__ index_t operator()(index_t i) const { return keys[i]; }
};

struct place_row {
  view<std::int32_t, 1> row_of;
  __device__ void operator()(index_t i, std::int32_t row) const { row_of[i] = row; }
};

}  // namespace

TEST_CASE("cuda counting_sort: as a stable sort on the host", "[cuda]") {
  ctx_type ctx;
  constexpr index_t chunk = cuda_kernels::sort_chunk;
  struct size {
    index_t count, keys;
  };
  for (const auto& [count, keys] :
       {size{0, 3}, size{1, 1}, size{5, 0}, size{31, 2}, size{32, 1}, size{chunk, 7},
        size{chunk + 1, 33}, size{3 * chunk - 1, 70}, size{40 * chunk + 3, 5}, size{10, 300}}) {
    ctx.workspace().reset();
    CAPTURE(count, keys);
    const auto host = battery::row_numbers(count, keys, 7);
    const battery::device_vector<ctx_type, std::int32_t> in(ctx, host), row_of(ctx, count);
    const auto sorted = sort_rows(ctx, "sort", count, key_in{in.in()}, keys);
    const battery::device_vector<ctx_type, std::int32_t> again(ctx, keys);
    counting_sort(ctx, "sort", count, key_in{in.in()}, place_row{row_of.out()}, again.out());
    std::vector<std::int32_t> order, ends, rows(battery::at(count), -1);
    for (index_t k = 0; k < keys; ++k) {
      for (index_t i = 0; i < count; ++i)
        if (host[battery::at(i)] == k) {
          rows[battery::at(i)] = static_cast<std::int32_t>(order.size());
          order.push_back(static_cast<std::int32_t>(i));
        }
      ends.push_back(static_cast<std::int32_t>(order.size()));
    }
    std::vector<std::int32_t> found(order.size()), found_ends(ends.size());
    ctx_type::backend::download(
        ctx,
        view<const std::int32_t, 1>(sorted.order.slice_rows(0, static_cast<index_t>(order.size()))),
        found.data());
    ctx_type::backend::download(ctx, view<const std::int32_t, 1>(sorted.ends), found_ends.data());
    battery::check_same(found, order, "order");
    battery::check_same(found_ends, ends, "ends");
    battery::check_same(again.host(), ends, "ends again");
    battery::check_same(row_of.host(), rows, "rows");
  }
}

TEST_CASE("cuda counting_sort: rows are numbered with 32 bits", "[cuda]") {
  ctx_type ctx;
  CHECK(mentions(message_of([&] {
                   counting_sort(ctx, "sort", index_t{1} << 31, key_in{}, place_row{},
                                 view<std::int32_t, 1>());
                 }),
                 "sort", "2147483648 elements", "at most 2147483647"));
}
