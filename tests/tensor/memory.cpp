// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Host memory is aligned, and a memory of one's own takes its place.

#include <cstdint>
#include <cstring>
#include <vector>

#include "catch.hpp"

#include <dsr1/tensor/memory.hpp>

using namespace dsr1;

TEST_CASE("memory: blocks of the host are aligned and can be written to the end") {
  memory& host = host_memory::instance();
  std::vector<std::pair<void*, std::size_t>> blocks;
  for (const std::size_t bytes : {1, 63, 64, 65, 1000, 1 << 20}) {
    void* p = host.allocate(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(p) % tensor_alignment == 0);
    std::memset(p, 0x5a, bytes);
    blocks.emplace_back(p, bytes);
  }
  for (const auto& [p, bytes] : blocks) host.deallocate(p, bytes);
}

TEST_CASE("memory: there is one host memory, and it says when there is none left") {
  CHECK(&host_memory::instance() == &host_memory::instance());
  // Read from memory, so that no compiler sees the size and warns.
  volatile std::size_t absurd = std::size_t{1} << 62;
  CHECK_THROWS_AS(host_memory::instance().allocate(absurd), std::bad_alloc);
}
