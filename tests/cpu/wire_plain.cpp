// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The random bits of stochastic rounding.

#include <set>

#include "catch.hpp"

#include <dsr1/cpu/wire_plain.hpp>

using namespace dsr1;

TEST_CASE("wire_draw: sixteen bits for each number, of words that are used once") {
  const random_stream random(3, 4);
  std::uint32_t bits[128];
  simd::wire_draw(random, 5, bits);
  for (std::uint32_t e = 0; e < 128; ++e) {
    const std::uint32_t word = random.words(16 * 5 + e % 16).word[e / 16 % 4];
    CHECK(bits[e] == (e < 64 ? word & 0xffffu : word >> 16));
  }
}
