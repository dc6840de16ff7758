// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A warm batch takes nothing from the heap.

#include "catch.hpp"
#include "folder.hpp"
#include "tensor/heap_count.hpp"

#include <dsr1/data/example_loader.hpp>

using namespace dsr1;
using namespace data_test;

TEST_CASE("loader: warm batches take nothing from the heap") {
  const folder f;
  const data_manifest m = manifest_of(f.path, 1000, random_documents(30, 25, 1000, 5), 7);
  const dataset data(m, m.train);
  training_loader loader(data, {.tokens = 64, .length = 16});
  evaluation_pass pass(data, {.tokens = 64, .length = 16}, 4);
  packed_batch batch(64);
  const long before = heap_count;
  for (int step = 0; step < 100; ++step) loader.next(batch);  // several epochs
  while (pass.next(batch)) continue;
  const long after = heap_count;
  CHECK(after == before);
  CHECK(loader.state().epoch > 2);
}

TEST_CASE("loader: neither do warm batches of examples") {
  example_set set({.length = 9});
  for (std::int32_t i = 0; i < 20; ++i)
    set.add({std::vector<std::int32_t>(static_cast<std::size_t>(2 + i % 8), i),
             std::vector<std::uint8_t>(static_cast<std::size_t>(2 + i % 8), 1)},
            "an example");
  example_loader loader(set, {.tokens = 25});
  example_pass pass(set, 25);
  packed_batch batch(25);
  const long before = heap_count;
  for (int i = 0; i < 50; ++i) loader.next(batch);
  while (pass.next(batch)) continue;
  const long after = heap_count;
  CHECK(after == before);
}
