// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The arena: growth, scopes, reset, alignment, its peak, and what an exception leaves behind.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>

#include "catch.hpp"
#include "tensor/counting_memory.hpp"

#include <dsr1/tensor/workspace.hpp>

using namespace dsr1;

namespace {

constexpr index_t mega = index_t{1} << 20;

template <class V>
bool aligned(const V& v) {
  return reinterpret_cast<std::uintptr_t>(v.data) % tensor_alignment == 0;
}

}  // namespace

TEST_CASE("workspace: tensors are aligned, disjoint and as large as asked for") {
  workspace w;
  std::set<void*> seen;
  for (const index_t n : {1, 3, 64, 65, 1000, 0, 7}) {
    const auto a = w.take<char>(n);
    const auto b = w.take<double>(n, 2);
    CHECK(aligned(a));
    CHECK(aligned(b));
    CHECK(a.rows() == n);
    CHECK(b.rows() == n);
    CHECK(b.columns() == 2);
    std::fill_n(a.data, a.size(), 'x');
    std::fill_n(b.data, b.size(), 1.0);
    CHECK(seen.insert(a.data).second);
    CHECK(seen.insert(b.data).second);
    CHECK(std::all_of(a.begin(), a.end(), [](char c) { return c == 'x'; }));
  }
  const auto four = w.take<int>(2, 3, 4, 5);
  CHECK(four.size() == 120);
  CHECK(four.stride == 60);
}

TEST_CASE("workspace: nothing is taken before the first tensor") {
  counting_memory memory;
  {
    workspace w(memory);
    CHECK(memory.allocations == 0);
    CHECK(w.peak_bytes() == 0);
    w.reset();
    { const workspace::scope scope(w); }
    CHECK(memory.allocations == 0);
    w.take<float>(0);
    CHECK(memory.allocations == 1);
  }
  CHECK(memory.live_bytes == 0);
  CHECK(memory.sizes_match);
}

TEST_CASE("workspace: growth keeps what was taken before") {
  counting_memory memory;
  {
    workspace w(memory);
    const auto a = w.take<int>(1000);
    std::fill_n(a.data, 1000, 1);
    const auto b = w.take<int>(mega);  // more than the rest of the first block
    std::fill_n(b.data, mega, 2);
    const auto c = w.take<int>(3 * mega);
    std::fill_n(c.data, 3 * mega, 3);
    CHECK(memory.allocations == 3);
    CHECK(std::count(a.begin(), a.end(), 1) == 1000);
    CHECK(std::count(b.begin(), b.end(), 2) == mega);
    CHECK(w.peak_bytes() == static_cast<std::size_t>(4032 + 4 * mega + 12 * mega));
  }
  CHECK(memory.live_bytes == 0);
  CHECK(memory.sizes_match);
}

TEST_CASE("workspace: a scope gives back what was taken inside, nested ones too") {
  workspace w;
  const auto outside = w.take<float>(10);
  std::fill_n(outside.data, 10, 4.0f);
  float *first = nullptr, *second = nullptr;
  {
    const workspace::scope outer(w);
    first = w.take<float>(100).data;
    {
      const workspace::scope inner(w);
      second = w.take<float>(100).data;
      w.take<float>(5000);
    }
    CHECK(w.take<float>(100).data == second);
    {
      const workspace::scope inner(w);
      const workspace::scope same(w);
      CHECK(w.take<float>(1).data > second);
    }
  }
  CHECK(w.take<float>(100).data == first);
  CHECK(std::count(outside.begin(), outside.end(), 4.0f) == 10);
}

TEST_CASE("workspace: a scope that grew over blocks returns to its own") {
  counting_memory memory;
  workspace w(memory);
  w.take<char>(mega / 2);
  char* inside = nullptr;
  for (int round = 0; round < 3; ++round) {
    const workspace::scope scope(w);
    inside = w.take<char>(100).data;
    w.take<char>(2 * mega);
    w.take<char>(3 * mega);
  }
  const std::size_t allocations = memory.allocations;
  CHECK(w.take<char>(100).data == inside);
  w.take<char>(2 * mega);  // the later blocks are there to be used again
  w.take<char>(3 * mega);
  CHECK(memory.allocations == allocations);
}

TEST_CASE("workspace: a scope opened before the first block") {
  workspace w;
  char* first = nullptr;
  {
    const workspace::scope scope(w);
    first = w.take<char>(10).data;
    w.take<char>(2 * mega);
  }
  CHECK(w.take<char>(10).data == first);
}

TEST_CASE("workspace: reset joins the blocks into one, warm steps take nothing") {
  counting_memory memory;
  workspace w(memory);
  auto step = [&] {
    w.take<float>(300'000);
    {
      const workspace::scope scope(w);
      w.take<float>(700'000);
      w.take<char>(1);
    }
    w.take<float>(500'000);
  };
  step();
  const std::size_t peak = w.peak_bytes();
  CHECK(memory.live.size() > 1);
  w.reset();
  CHECK(memory.live.size() == 1);
  CHECK(memory.live_bytes == peak);
  const std::size_t allocations = memory.allocations;
  for (int round = 0; round < 5; ++round) {
    step();
    w.reset();
  }
  CHECK(memory.allocations == allocations);
  CHECK(w.peak_bytes() == peak);
}

TEST_CASE("workspace: the peak counts what is in use at one time, in whole lines of 64 bytes") {
  workspace w;
  w.take<char>(1);
  CHECK(w.peak_bytes() == 64);
  {
    const workspace::scope scope(w);
    w.take<char>(65);
    CHECK(w.peak_bytes() == 64 + 128);
  }
  w.take<char>(64);
  CHECK(w.peak_bytes() == 64 + 128);  // 128 in use now
  w.reset();
  w.take<char>(300);
  CHECK(w.peak_bytes() == 320);
  {
    const workspace::scope scope(w);
    w.take<char>(2 * mega);
  }
  w.take<char>(2 * mega);
  CHECK(w.peak_bytes() == static_cast<std::size_t>(320 + 2 * mega));
}

TEST_CASE("workspace: an exception ends the scope, no memory leaves all as it was") {
  counting_memory memory;
  workspace w(memory);
  float* first = nullptr;
  CHECK_THROWS_AS(
      [&] {
        const workspace::scope scope(w);
        first = w.take<float>(100).data;
        throw error("a layer failed");
      }(),
      error);
  CHECK(w.take<float>(100).data == first);
  const std::size_t peak = w.peak_bytes();
  memory.limit = memory.live_bytes + 10;
  for (int i = 0; i < 3; ++i) CHECK_THROWS_AS(w.take<char>(5 * mega), std::bad_alloc);
  CHECK(w.peak_bytes() == peak);
  const auto after = w.take<float>(100);
  CHECK(after.data == first + 112);  // 100 floats are 448 bytes in whole lines
  CHECK(w.peak_bytes() == peak + 448);
}

TEST_CASE("workspace: no memory while joining leaves an empty workspace that still works") {
  counting_memory memory;
  workspace w(memory);
  w.take<char>(mega / 2);
  w.take<char>(mega);
  memory.limit = 0;
  CHECK_THROWS_AS(w.reset(), std::bad_alloc);
  memory.limit = std::size_t{1} << 30;
  CHECK(aligned(w.take<char>(10)));
}

TEST_CASE("workspace: extents that cannot be are errors") {
  workspace w;
  CHECK(mentions(message_of([&] { w.take<float>(3, -1); }), "extent is negative", "-1"));
  CHECK(mentions(message_of([&] { w.take<float>(-2, -2); }), "extent is negative"));
  // 2^61 doubles are 2^64 bytes, which is 0 in 64 bits.
  CHECK(mentions(message_of([&] { w.take<double>(index_t{1} << 61); }), "too large"));
  CHECK(
      mentions(message_of([&] { w.take<char>(index_t{1} << 40, index_t{1} << 40); }), "too large"));
  CHECK(mentions(message_of([&] { w.take<char>(std::numeric_limits<index_t>::max()); }),
                 "too large"));
}
