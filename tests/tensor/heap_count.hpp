// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Replaces operator new by one that counts. Include it in one file of a test program only.
#pragma once

#include <atomic>
#include <cstdlib>
#include <new>

/// How often this program has asked the heap for memory through operator new.
inline std::atomic<long> heap_count{0};

namespace heap_count_detail {

inline void* take(std::size_t bytes, std::size_t alignment) {
  heap_count.fetch_add(1, std::memory_order_relaxed);
  if (bytes == 0) bytes = 1;
  void* p = alignment <= alignof(std::max_align_t)
                ? std::malloc(bytes)
                : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}
/// Not inlined: the compiler would warn where it sees `free` of what it knows to come from `new`.
[[gnu::noinline]] inline void give(void* p) { std::free(p); }

}  // namespace heap_count_detail

void* operator new(std::size_t n) { return heap_count_detail::take(n, 1); }
void* operator new[](std::size_t n) { return heap_count_detail::take(n, 1); }
void* operator new(std::size_t n, std::align_val_t a) {
  return heap_count_detail::take(n, static_cast<std::size_t>(a));
}
void* operator new[](std::size_t n, std::align_val_t a) {
  return heap_count_detail::take(n, static_cast<std::size_t>(a));
}
// Those that return null go through the throwing ones, so that none meets a foreign free.
void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  try {
    return operator new(n);
  } catch (...) {
    return nullptr;
  }
}
void* operator new[](std::size_t n, const std::nothrow_t& t) noexcept { return operator new(n, t); }
void operator delete(void* p, const std::nothrow_t&) noexcept { heap_count_detail::give(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { heap_count_detail::give(p); }
void operator delete(void* p) noexcept { heap_count_detail::give(p); }
void operator delete[](void* p) noexcept { heap_count_detail::give(p); }
void operator delete(void* p, std::size_t) noexcept { heap_count_detail::give(p); }
void operator delete[](void* p, std::size_t) noexcept { heap_count_detail::give(p); }
void operator delete(void* p, std::align_val_t) noexcept { heap_count_detail::give(p); }
void operator delete[](void* p, std::align_val_t) noexcept { heap_count_detail::give(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
  heap_count_detail::give(p);
}
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept {
  heap_count_detail::give(p);
}
