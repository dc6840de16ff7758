// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// An owning array: moved, never copied; gives back what it took from where it took it.

#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>

#include "catch.hpp"
#include "tensor/counting_memory.hpp"

#include <dsr1/tensor/buffer.hpp>

using namespace dsr1;

static_assert(!std::is_copy_constructible_v<buffer<float>> &&
              !std::is_copy_assignable_v<buffer<float>>);
static_assert(std::is_nothrow_move_constructible_v<buffer<float>> &&
              std::is_nothrow_move_assignable_v<buffer<float>>);

TEST_CASE("buffer: holds its elements, aligned") {
  buffer<double> b(10);
  CHECK(b.size() == 10);
  CHECK(reinterpret_cast<std::uintptr_t>(b.data()) % tensor_alignment == 0);
  std::iota(b.begin(), b.end(), 1.0);
  b[3] = -4;
  const buffer<double>& read = b;
  CHECK(read[3] == -4);
  CHECK(read[9] == 10);
  CHECK(std::accumulate(read.begin(), read.end(), 0.0) == 47);
  CHECK(b.as(2, 5)(1, 4) == 10);
  CHECK(b.as(10)[0] == 1);
  CHECK(read.as(5, 2)(4, 1) == 10);
  static_assert(std::is_same_v<decltype(read.as(5, 2)), view<const double, 2>>);
}

TEST_CASE("buffer: an empty one takes nothing") {
  counting_memory memory;
  buffer<float> none, zero(0, memory);
  CHECK(none.size() == 0);
  CHECK(none.data() == nullptr);
  CHECK(zero.data() == nullptr);
  CHECK(zero.begin() == zero.end());
  CHECK(memory.allocations == 0);
}

TEST_CASE("buffer: moving hands the memory on, every byte goes back where it came from") {
  counting_memory first, second;
  {
    buffer<int> a(100, first), b(7, second);
    a[99] = 5;
    int* const data = a.data();
    buffer<int> c(std::move(a));
    CHECK(c.data() == data);
    CHECK(c[99] == 5);
    CHECK(a.size() == 0);  // NOLINT: a buffer that was moved from is empty
    b = std::move(c);      // gives back the 7 elements of the second memory at once
    CHECK(second.live_bytes == 0);
    CHECK(b.size() == 100);
    CHECK(c.data() == nullptr);  // NOLINT
    buffer<int>& same = b;
    b = std::move(same);
    CHECK(b.size() == 100);
    CHECK(b[99] == 5);
    b.swap(a);
    CHECK(a[99] == 5);
    a = buffer<int>();
    CHECK(first.live_bytes == 0);
  }
  CHECK(first.allocations == 1);
  CHECK(first.sizes_match);
  CHECK(second.sizes_match);
}

TEST_CASE("buffer: sizes that cannot be are errors, and no memory is an exception") {
  CHECK(message_of([] { buffer<float> b(-3); }) == "buffer of -3 elements, expected none or more");
  // 2^61 doubles are 2^64 bytes, which is 0 in 64 bits.
  CHECK(mentions(message_of([] { buffer<double> b(index_t{1} << 61); }),
                 "2305843009213693952 elements", "too many"));
  CHECK(mentions(message_of([] { buffer<double> b(std::numeric_limits<index_t>::max()); }),
                 "too many"));
  counting_memory small;
  small.limit = 100;
  CHECK_THROWS_AS(buffer<char>(101, small), std::bad_alloc);
  CHECK(small.live_bytes == 0);
}
