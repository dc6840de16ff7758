// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The rows on which the threads of a gate work, in shared memory and outside.

#include "battery/device.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/token_room.cuh>

using namespace dsr1;

namespace {

using ctx_type = context<cuda_part<cuda_tensor>>;

/// y = x with every row reversed, by the thread of the row; the second part is scratch.
template <class T>
__global__ void reversed(token_room<T> room, view<const T, 2> x, view<T, 2> y) {
  __shared__ T shared[token_room<T>::shared_elements];
  room.load(shared, 0, x);
  __syncwarp();
  if (room.token() >= 0) {
    const auto own = room.own(shared, 0), scratch = room.own(shared, 1);
    for (std::size_t e = 0; e < own.size(); ++e) scratch[e] = own[own.size() - 1 - e];
    for (std::size_t e = 0; e < own.size(); ++e) own[e] = scratch[e];
  }
  __syncwarp();
  room.store(shared, 0, y);
}

}  // namespace

TEMPLATE_TEST_CASE("cuda token_room: every token has a thread and a row of its own", "[cuda]",
                   float, double) {
  using T = TestType;
  ctx_type ctx;
  constexpr index_t most = token_room<T>::shared_elements;
  struct size {
    index_t tokens, experts;
  };
  for (const auto& [tokens, experts] :
       {size{0, 4}, size{1, 1}, size{31, 8}, size{32, 9}, size{33, 128}, size{100, 256},
        size{3, most / 2 - 1}, size{2, most / 2}, size{token_room<T>::outside_tokens + 2, 3200}}) {
    ctx.workspace().reset();
    CAPTURE(tokens, experts);
    std::vector<T> x(battery::at(tokens * experts)), expected(x.size());
    for (index_t i = 0; i < tokens * experts; ++i) {
      x[battery::at(i)] = static_cast<T>(i % 9973);
      expected[battery::at(i / experts * experts + experts - 1 - i % experts)] =
          static_cast<T>(i % 9973);
    }
    const battery::device_matrix<ctx_type, T> in(ctx, tokens, experts, x),
        out(ctx, tokens, experts, battery::margin{2, 1});
    // With more parts than are used, the last size does not fit into shared memory.
    const index_t parts = experts == 3200 ? 5 : 2;
    int launches = 0;
    token_room<T>::for_each(
        ctx, tokens, experts, parts, [&](const token_room<T>& room, index_t first) {
          ++launches;
          launch(ctx, "reversed", room.blocks(), warp_size, reversed<T>, room,
                 in.in().slice_rows(first, room.tokens), out.out().slice_rows(first, room.tokens));
        });
    CHECK(launches == (experts == 3200 ? 2 : 1));
    battery::check_same(out.host(), expected, "reversed");
  }
}
