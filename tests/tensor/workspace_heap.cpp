// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A warm workspace takes nothing from the heap: counted at operator new.

#include "catch.hpp"
#include "tensor/heap_count.hpp"

#include <dsr1/tensor/workspace.hpp>

using namespace dsr1;

TEST_CASE("workspace: once warm, steps with scopes and resets never ask the heap") {
  workspace w;
  auto step = [&] {
    w.reset();
    w.take<float>(1000, 300);
    for (int layer = 0; layer < 10; ++layer) {
      const workspace::scope scope(w);
      w.take<double>(500, 200);
      const workspace::scope inner(w);
      w.take<char>(1 << 20);
    }
    w.take<float>(2000, 300);
  };
  const long cold = heap_count;
  step();
  CHECK(heap_count > cold);  // the counter works
  step();
  const long warm = heap_count;
  for (int i = 0; i < 100; ++i) step();
  const long after = heap_count;
  CHECK(after == warm);
}
