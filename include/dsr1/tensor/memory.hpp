// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Where tensors live: an interface for device memory, and the host's implementation of it.
#pragma once

#include <cstddef>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace dsr1 {

/// Every tensor begins on a boundary of this many bytes.
inline constexpr std::size_t tensor_alignment = 64;

/// A source of memory. Blocks are aligned to `tensor_alignment`; the content is undefined.
class memory {
 public:
  virtual ~memory() = default;
  /// Throws std::bad_alloc or `error` when there is not enough.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void deallocate(void* pointer, std::size_t bytes) noexcept = 0;
  /// Whether the host may read and write it.
  virtual bool on_host() const { return true; }
};

/// Large blocks lie on huge pages where the system has them to give: an optimizer's step walks over
/// more memory than the translations of small pages cover.
class host_memory final : public memory {
 public:
  static constexpr std::size_t huge_page = std::size_t{1} << 21;
  static constexpr std::size_t large = 4 * huge_page;

  void* allocate(std::size_t bytes) override {
    if (bytes < large) return ::operator new(bytes, std::align_val_t{tensor_alignment});
    void* const block = ::operator new(bytes, std::align_val_t{huge_page});
#if defined(__linux__)
    madvise(block, bytes / huge_page * huge_page, MADV_HUGEPAGE);  // a wish, so its result is too
#endif
    return block;
  }
  void deallocate(void* pointer, std::size_t bytes) noexcept override {
    ::operator delete(pointer, std::align_val_t{bytes < large ? tensor_alignment : huge_page});
  }
  static host_memory& instance() {
    static host_memory one;
    return one;
  }
};

}  // namespace dsr1
