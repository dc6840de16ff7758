// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Memory that plays a device's: the host cannot touch it unless it is opened.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <map>

namespace host_cuda {

/// One range of addresses, handed out in pieces that end where a page ends, with an unmapped page
/// between them. Closed by a protection key, which costs no call of the kernel to turn.
class device_memory {
 public:
  /// Never destroyed: like a device's, it is still there when the last static context ends.
  static device_memory& instance() {
    static auto& one = *new device_memory;
    return one;
  }

  /// Null beyond the limit. The content is a pattern that makes NaNs.
  void* allocate(std::size_t bytes) {
    if (bytes > limit_ || used_ > limit_ - bytes) return nullptr;
    const std::size_t whole = (bytes + page - 1) / page * page;
    void* p =
        mmap(nullptr, whole + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return nullptr;
    if (key_ < 0 || pkey_mprotect(p, whole, PROT_READ | PROT_WRITE, key_) != 0)
      mprotect(p, whole, PROT_READ | PROT_WRITE);
    // Aligned as the device's is; the end is as near to the unmapped page as that allows.
    auto* data = static_cast<std::byte*>(p) + (whole - (bytes + 255) / 256 * 256);
    used_ += bytes;
    pieces_[reinterpret_cast<std::uintptr_t>(data)] = {p, whole, bytes};
    const opened open;
    for (std::size_t i = 0; i < bytes; ++i) data[i] = std::byte{0xff};
    return data;
  }
  bool release(void* data) {
    if (data == nullptr) return true;
    const auto found = pieces_.find(reinterpret_cast<std::uintptr_t>(data));
    if (found == pieces_.end()) return false;
    munmap(found->second.base, found->second.whole + page);
    used_ -= found->second.bytes;
    pieces_.erase(found);
    return true;
  }
  bool holds(const void* p) const {
    const auto at = reinterpret_cast<std::uintptr_t>(p);
    auto after = pieces_.upper_bound(at);
    if (after == pieces_.begin()) return false;
    --after;
    return at < after->first + after->second.bytes;
  }
  void info(std::size_t* free, std::size_t* total) const {
    *free = limit_ - used_;
    *total = limit_;
  }
  std::size_t used() const { return used_; }
  void limit(std::size_t bytes) { limit_ = bytes; }
  static constexpr std::size_t default_limit = std::size_t{4} << 30;
  bool guarded() const { return key_ >= 0; }

  /// While one lives, the host may touch device memory. They nest.
  class opened {
   public:
    opened() {
      if (depth()++ == 0) turn(0);
    }
    ~opened() {
      if (--depth() == 0) turn(PKEY_DISABLE_ACCESS);
    }
    opened(const opened&) = delete;
    opened& operator=(const opened&) = delete;

   private:
    static int& depth() {
      static thread_local int n = 0;
      return n;
    }
    static void turn(unsigned rights) {
      if (const int key = instance().key_; key >= 0) pkey_set(key, rights);
    }
  };

 private:
  static constexpr std::size_t page = 4096;
  struct piece {
    void* base;
    std::size_t whole, bytes;
  };

  device_memory() : key_(pkey_alloc(0, PKEY_DISABLE_ACCESS)) {}

  int key_;
  std::size_t limit_ = default_limit, used_ = 0;
  std::map<std::uintptr_t, piece> pieces_;
};

}  // namespace host_cuda
