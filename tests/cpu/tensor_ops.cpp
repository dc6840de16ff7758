// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Whole-tensor operations on the CPU.

#include <atomic>

#include "battery/tensor_ops.hpp"

using namespace dsr1;

static_assert(tensor_ops<context<cpu>, float> && tensor_ops<context<cpu>, double>);

TEMPLATE_TEST_CASE("cpu tensor_ops: battery", "", float, double) {
  context<cpu> ctx({.threads = 2});
  battery::fill_and_scale<TestType>(ctx);
  battery::fill_normal<TestType>(ctx);
  battery::copy_and_add<TestType>(ctx);
  battery::dot<TestType>(ctx);
  battery::tensor_errors<TestType>(ctx);
}

TEST_CASE("cpu tensor_ops: rows are cut into parts that cover each of them once") {
  context<cpu> ctx({.threads = 3});
  for (const auto& [rows, size] : std::vector<std::pair<index_t, index_t>>{
           {0, 5}, {1, 1}, {100, 16'384}, {7, 100'000}, {50'000, 1}, {33, 1000}, {10, 0}}) {
    std::vector<int> seen(static_cast<std::size_t>(rows));
    std::atomic<bool> empty = false;  // Catch2 counts assertions of one thread only
    parallel_rows(ctx, rows, size, [&](index_t first, index_t count) {
      if (count <= 0) empty = true;
      for (index_t r = first; r < first + count; ++r) ++seen[static_cast<std::size_t>(r)];
    });
    CHECK_FALSE(empty);
    CHECK(std::count(seen.begin(), seen.end(), 1) == rows);
  }
}
