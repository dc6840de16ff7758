// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A warm exchange of rows takes nothing from the heap: counted at operator new.

#include "battery/context.hpp"
#include "catch.hpp"
#include "tensor/heap_count.hpp"

#include <dsr1/moe/expert_parallel.hpp>
#include <dsr1/nn/initialize.hpp>

using namespace dsr1;

TEST_CASE("expert_parallel: a warm step asks the heap for nothing") {
  context<cpu> ctx({.threads = 2});
  for (const bool coded : {false, true}) {
    expert_parallel<> experts({.dim = 20, .hidden = 8, .experts = 4});
    experts.distribute(placement(4, {{3, 0, 2, 1}}), 0);
    if (coded)
      experts.wire({.dispatch = {.code = wire_code::bf16}, .combine = {.code = wire_code::bf16}});
    initialize(ctx, experts);
    const auto x = battery::normals<float>(9 * 20, 1);
    expert_parallel<>::saved s;
    const auto step = [&](std::span<const index_t> ends) {
      ctx.workspace().reset();
      experts.forward(ctx, battery::matrix_of(x, 9, 20), row_groups(ends), s);
      experts.backward(ctx, battery::matrix_of(x, 9, 20), row_groups(ends), s);
    };
    const index_t some[] = {3, 3, 7, 9}, others[] = {0, 5, 6, 9};
    for (int i = 0; i < 2; ++i) step(some);
    const long warm = heap_count;
    for (int i = 0; i < 5; ++i) {
      step(some);
      step(others);
    }
    CHECK(heap_count - warm == 0);
  }
}
