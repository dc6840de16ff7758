// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Where tensors live: an interface for device memory, and the host's implementation of it.
#pragma once

#include <cstddef>
#include <new>

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

class host_memory final : public memory {
 public:
  void* allocate(std::size_t bytes) override {
    return ::operator new(bytes, std::align_val_t{tensor_alignment});
  }
  void deallocate(void* pointer, std::size_t) noexcept override {
    ::operator delete(pointer, std::align_val_t{tensor_alignment});
  }
  static host_memory& instance() {
    static host_memory one;
    return one;
  }
};

}  // namespace dsr1
