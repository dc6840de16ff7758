// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A memory that counts, checks and can run out; for the tests of what takes from it.
#pragma once

#include <map>

#include <dsr1/tensor/memory.hpp>

struct counting_memory final : dsr1::memory {
  std::size_t allocations = 0;
  std::size_t limit = static_cast<std::size_t>(-1);  // bytes that can live at one time
  std::size_t live_bytes = 0;
  bool sizes_match = true;
  std::map<void*, std::size_t> live;

  void* allocate(std::size_t bytes) override {
    if (bytes > limit - live_bytes) throw std::bad_alloc();
    void* p = dsr1::host_memory::instance().allocate(bytes);
    ++allocations;
    live_bytes += bytes;
    live[p] = bytes;
    return p;
  }
  void deallocate(void* p, std::size_t bytes) noexcept override {
    sizes_match = sizes_match && live.count(p) == 1 && live[p] == bytes;
    live_bytes -= bytes;
    live.erase(p);
    dsr1::host_memory::instance().deallocate(p, bytes);
  }
};
