// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A random order of any number of things that needs no memory.
#pragma once

#include <cstdint>

#include <dsr1/core/random.hpp>
#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

/// A permutation of 0 to count - 1 that depends only on (count, key, stream). Element i costs a
/// few random numbers, in any order: a Feistel network over the smallest even number of bits that
/// holds `count`, repeated until it lands inside (cycle walking; under four rounds of it on
/// average from 64 elements on). Black and Rogaway, "Ciphers with arbitrary finite domains", 2002.
class permutation {
 public:
  /// Throws `error` unless count is 1 to 2^62.
  constexpr permutation(index_t count, std::uint64_t key, std::uint64_t stream)
      : count_(static_cast<std::uint64_t>(count)), key_(key), stream_(stream) {
    expects(count > 0 && count <= index_t{1} << 62, "permutation of ", count,
            ", expected 1 to 2^62");
    // Few bits mix badly, so that even three elements walk through 256 places.
    while (half_ < 31 && std::uint64_t{1} << (2 * half_) < count_) ++half_;
  }

  constexpr index_t operator()(index_t i) const {
    auto x = static_cast<std::uint64_t>(i);
    do x = mixed(x);
    while (x >= count_);
    return static_cast<index_t>(x);
  }

 private:
  constexpr std::uint64_t mixed(std::uint64_t x) const {
    const std::uint64_t mask = (std::uint64_t{1} << half_) - 1;
    std::uint64_t left = x >> half_, right = x & mask;
    for (std::uint64_t round = 0; round < 8; ++round) {
      const std::uint64_t f = philox::at(key_, right | round << 56, stream_).word[0];
      const std::uint64_t next = left ^ (f & mask);
      left = right;
      right = next;
    }
    return left << half_ | right;
  }

  std::uint64_t count_, key_, stream_;
  int half_ = 4;
};

}  // namespace dsr1
