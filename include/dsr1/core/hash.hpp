// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A fast content hash that finds truncated and edited files; it is no defence against forgery.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace dsr1 {

/// 64-bit hash over a stream of bytes; equal bytes give equal values however they were split.
/// Four lanes of multiply and xor-shift over little-endian 64-bit words.
class content_hash {
 public:
  void add(const void* data, std::size_t bytes) noexcept {
    const auto* p = static_cast<const unsigned char*>(data);
    total_ += bytes;
    while (bytes > 0) {
      if (filled_ == 0 && bytes >= sizeof(pending_)) {
        block(p);
        p += sizeof(pending_);
        bytes -= sizeof(pending_);
        continue;
      }
      const std::size_t take =
          bytes < sizeof(pending_) - filled_ ? bytes : sizeof(pending_) - filled_;
      std::memcpy(pending_ + filled_, p, take);
      filled_ += take;
      p += take;
      bytes -= take;
      if (filled_ == sizeof(pending_)) {
        block(pending_);
        filled_ = 0;
      }
    }
  }

  std::uint64_t value() const noexcept {
    content_hash last = *this;
    if (last.filled_ > 0) {
      std::memset(last.pending_ + last.filled_, 0, sizeof(pending_) - last.filled_);
      last.block(last.pending_);
    }
    std::uint64_t h = total_ * kMultiplier;
    for (const std::uint64_t lane : last.lane_) h = mix(h ^ lane);
    return h;
  }

 private:
  static constexpr std::uint64_t kMultiplier = 0x9fb21c651e98df25u;

  static std::uint64_t mix(std::uint64_t x) noexcept {
    x = (x ^ (x >> 32)) * kMultiplier;
    return (x ^ (x >> 29)) * kMultiplier;
  }

  void block(const unsigned char* p) noexcept {
    for (int i = 0; i < 4; ++i) {
      std::uint64_t word;
      std::memcpy(&word, p + 8 * i, 8);
      lane_[i] = (lane_[i] ^ word) * kMultiplier;
      lane_[i] ^= lane_[i] >> 31;
    }
  }

  std::uint64_t lane_[4] = {0x243f6a8885a308d3u, 0x13198a2e03707344u, 0xa4093822299f31d0u,
                            0x082efa98ec4e6c89u};
  std::uint64_t total_ = 0;
  unsigned char pending_[32] = {};
  std::size_t filled_ = 0;
};

/// 16 hexadecimal digits: JSON numbers lose bits of a 64-bit hash in many readers.
inline std::string hash_text(std::uint64_t value) {
  std::string out(16, '0');
  for (std::size_t i = 0; i < 16; ++i) out[i] = "0123456789abcdef"[(value >> (60 - 4 * i)) & 15];
  return out;
}

}  // namespace dsr1
