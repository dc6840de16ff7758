// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Counter-based random numbers: the same stream on every device, thread and rank.
#pragma once

#include <cmath>
#include <cstdint>
#include <string_view>

#include <dsr1/core/host_device.hpp>

namespace dsr1 {

/// Philox4x32 with 10 rounds: four independent 32-bit words from a 128-bit counter and a 64-bit key.
/// Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
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

  DSR1_HOST_DEVICE constexpr std::uint64_t bits(std::uint64_t i) const noexcept {
    const philox p = philox::at(key_, i, stream_);
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

  /// Standard normal by Box and Muller.
  double normal(std::uint64_t i) const noexcept {
    const philox p = philox::at(key_, i, stream_);
    const std::uint64_t a = p.word[0] | std::uint64_t{p.word[1]} << 32;
    const std::uint64_t b = p.word[2] | std::uint64_t{p.word[3]} << 32;
    const double u = (static_cast<double>(a >> 11) + 1.0) * 0x1p-53;  // in (0, 1]
    const double v = static_cast<double>(b >> 11) * 0x1p-53;
    return std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586476925 * v);
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
