// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Counter-based random numbers: the same stream on every device, thread and rank.
#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>

#include <dsr1/core/host_device.hpp>

namespace dsr1 {

/// Philox4x32 with 10 rounds: four independent 32-bit words from a 128-bit counter and a 64-bit
/// key. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
struct philox {
  std::uint32_t word[4];

  DSR1_HOST_DEVICE static constexpr philox at(std::uint64_t key, std::uint64_t low,
                                              std::uint64_t high = 0) noexcept {
    std::uint32_t c0 = static_cast<std::uint32_t>(low);
    std::uint32_t c1 = static_cast<std::uint32_t>(low >> 32);
    std::uint32_t c2 = static_cast<std::uint32_t>(high);
    std::uint32_t c3 = static_cast<std::uint32_t>(high >> 32);
    std::uint32_t k0 = static_cast<std::uint32_t>(key);
    std::uint32_t k1 = static_cast<std::uint32_t>(key >> 32);
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c0;
      const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * c2;
      c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
      c1 = static_cast<std::uint32_t>(p1);
      c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
      c3 = static_cast<std::uint32_t>(p0);
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
  }
};

/// A stream of random numbers: element i depends only on (key, stream, i), never on call order.
class random_stream {
 public:
  DSR1_HOST_DEVICE constexpr explicit random_stream(std::uint64_t key,
                                                    std::uint64_t stream = 0) noexcept
      : key_(key), stream_(stream) {}

  DSR1_HOST_DEVICE constexpr std::uint64_t key() const noexcept { return key_; }
  DSR1_HOST_DEVICE constexpr std::uint64_t stream() const noexcept { return stream_; }

  /// The four words of Philox call i, for who uses them all.
  DSR1_HOST_DEVICE constexpr philox words(std::uint64_t i) const noexcept {
    return philox::at(key_, i, stream_);
  }

  DSR1_HOST_DEVICE constexpr std::uint64_t bits(std::uint64_t i) const noexcept {
    const philox p = words(i);
    return p.word[0] | std::uint64_t{p.word[1]} << 32;
  }

  /// Uniform in [0, 1) with 53 bits.
  DSR1_HOST_DEVICE constexpr double uniform(std::uint64_t i) const noexcept {
    return static_cast<double>(bits(i) >> 11) * 0x1p-53;
  }

  /// Uniform integer in [0, n), n < 2^32; the bias is below n / 2^32.
  DSR1_HOST_DEVICE constexpr std::uint64_t below(std::uint64_t i, std::uint64_t n) const noexcept {
    return ((bits(i) >> 32) * n) >> 32;
  }

  /// Standard normal; the same as element i % 4 of `normals(i / 4)`.
  double normal(std::uint64_t i) const noexcept {
    float four[4];
    normals(i / 4, four);
    return four[i % 4];
  }

  /// Normals 4 block to 4 block + 3 from one Philox call, by Box and Muller in single precision.
  /// Their bits depend on the C library's logf, sinf and cosf; those of `bits` on nothing.
  void normals(std::uint64_t block, float (&out)[4]) const noexcept {
    const philox p = philox::at(key_, block, stream_);
    for (int pair = 0; pair < 2; ++pair) {
      const float u = (static_cast<float>(p.word[2 * pair]) + 1.0f) * 0x1p-32f;  // in (0, 1]
      const float angle = static_cast<float>(p.word[2 * pair + 1]) * (6.28318531f * 0x1p-32f);
      const float radius = std::sqrt(-2.0f * std::log(u));
      out[2 * pair] = radius * std::cos(angle);
      out[2 * pair + 1] = radius * std::sin(angle);
    }
  }

 private:
  std::uint64_t key_;
  std::uint64_t stream_;
};

/// A stream number from a name (64-bit FNV-1a), so that adding a parameter moves no other stream.
constexpr std::uint64_t stream_of(std::string_view name) noexcept {
  std::uint64_t h = 0xcbf29ce484222325u;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return h;
}

}  // namespace dsr1
