// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The arena that holds activations and scratch; a warm step takes nothing from the heap.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <dsr1/tensor/memory.hpp>
#include <dsr1/tensor/view.hpp>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace dsr1 {

/// Under AddressSanitizer, memory that was given back may not be touched; otherwise nothing.
inline void poison([[maybe_unused]] void* data, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(data, bytes);
#endif
}
inline void unpoison([[maybe_unused]] void* data, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(data, bytes);
#endif
}

/// A stack of bytes that grows by blocks. `scope` gives back everything taken after it; `reset`
/// gives back all, and then joins the blocks into one of the largest size that was ever in use.
class workspace {
 public:
  explicit workspace(memory& from = host_memory::instance()) : from_(&from) {}
  ~workspace() { release_blocks(); }
  workspace(const workspace&) = delete;
  workspace& operator=(const workspace&) = delete;

  /// An uninitialised tensor that lives until the enclosing scope or the next reset.
  template <class T, class... Extents>
  view<T, sizeof...(Extents)> take(Extents... sizes) {
    std::size_t size = sizeof(T);
    for (const index_t e : {static_cast<index_t>(sizes)...}) {
      expects(e >= 0, "workspace: an extent is negative (", e, ")");
      expects(!__builtin_mul_overflow(size, static_cast<std::size_t>(e), &size) && size <= largest,
              "workspace: a tensor is too large (an extent is ", e, ")");
    }
    void* data = bytes(size);
    return view<T, sizeof...(Extents)>(static_cast<T*>(data), sizes...);
  }

  void reset() {
    current_ = 0;
    used_before_ = 0;
    for (block& b : blocks_) shrink(b, 0);
    if (blocks_.size() > 1) {
      release_blocks();
      grow(peak_);
    }
  }

  /// Largest number of bytes in use at one time since construction.
  std::size_t peak_bytes() const noexcept { return peak_; }

  /// Gives back at its end what was taken after its beginning.
  class scope {
   public:
    explicit scope(workspace& w)
        : workspace_(w),
          block_(w.current_),
          used_(w.blocks_.empty() ? 0 : w.blocks_[w.current_].used),
          before_(w.used_before_) {}
    ~scope() {
      for (std::size_t i = block_ + 1; i < workspace_.blocks_.size(); ++i)
        shrink(workspace_.blocks_[i], 0);
      if (!workspace_.blocks_.empty()) shrink(workspace_.blocks_[block_], used_);
      workspace_.current_ = block_;
      workspace_.used_before_ = before_;
    }
    scope(const scope&) = delete;
    scope& operator=(const scope&) = delete;

   private:
    workspace& workspace_;
    std::size_t block_;
    std::size_t used_;
    std::size_t before_;
  };

 private:
  static constexpr std::size_t largest = static_cast<std::size_t>(-1) / 4;  // of a tensor, in bytes

  struct block {
    std::byte* data;
    std::size_t size;
    std::size_t used;
  };

  void* bytes(std::size_t count) {
    count = std::max<std::size_t>(
        (count + tensor_alignment - 1) / tensor_alignment * tensor_alignment, tensor_alignment);
    while (blocks_.empty() || blocks_[current_].size - blocks_[current_].used < count) {
      if (current_ + 1 < blocks_.size()) {
        used_before_ += blocks_[current_].used;
        ++current_;
      } else {
        grow(std::max(count, std::max<std::size_t>(std::size_t{1} << 20, peak_ / 2)));
        if (blocks_.size() > 1) used_before_ += blocks_[current_].used;
        current_ = blocks_.size() - 1;
      }
    }
    block& b = blocks_[current_];
    void* data = b.data + b.used;
    unpoison(data, count);
    b.used += count;
    peak_ = std::max(peak_, used_before_ + b.used);
    return data;
  }

  void grow(std::size_t size) {
    if (size == 0) return;
    blocks_.push_back({static_cast<std::byte*>(from_->allocate(size)), size, 0});
    poison(blocks_.back().data, size);
  }

  static void shrink(block& b, std::size_t used) {
    poison(b.data + used, b.used - used);
    b.used = used;
  }

  void release_blocks() {
    for (const block& b : blocks_) {
      unpoison(b.data, b.size);
      from_->deallocate(b.data, b.size);
    }
    blocks_.clear();
  }

  memory* from_;
  std::vector<block> blocks_;
  std::size_t current_ = 0;
  std::size_t used_before_ = 0;
  std::size_t peak_ = 0;
};

}  // namespace dsr1
