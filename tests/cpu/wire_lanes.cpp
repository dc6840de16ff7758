// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Narrow codes and the lanes of words, for both vector instruction sets.

#include <numeric>
#include <vector>

#include "catch.hpp"
#include "cpu/isa_guard.hpp"

#include <dsr1/cpu/wire_lanes.hpp>

#if defined(__x86_64__)

using namespace dsr1;

namespace {

#define DSR1_LANES_TEST(S, TARGET)                                                            \
  TARGET void check_lanes(S) {                                                                \
    using L = simd::wire_lanes<S>;                                                            \
    std::uint32_t in[16], out[16];                                                            \
    for (std::uint32_t i = 0; i < 16; ++i) in[i] = i * 0x9E3779B9u;                           \
    const auto v = L::bits(S::load(reinterpret_cast<const float*>(in)));                      \
    const auto store = [&](const auto& x)                                                     \
                           TARGET { S::store(reinterpret_cast<float*>(out), L::floats(x)); }; \
    L::ints high, low;                                                                        \
    L::multiply(v, 0xD2511F53u, high, low);                                                   \
    store(high);                                                                              \
    for (std::uint32_t i = 0; i < 16; ++i)                                                    \
      CHECK(out[i] == static_cast<std::uint32_t>(std::uint64_t{in[i]} * 0xD2511F53u >> 32));  \
    store(low);                                                                               \
    for (std::uint32_t i = 0; i < 16; ++i) CHECK(out[i] == in[i] * 0xD2511F53u);              \
    store(L::numbered(32));                                                                   \
    for (std::uint32_t i = 0; i < 16; ++i) CHECK(out[i] == 32 + i);                           \
    std::byte codes[32];                                                                      \
    L::store_bytes(codes, v);                                                                 \
    store(L::load_bytes(codes));                                                              \
    for (std::uint32_t i = 0; i < 16; ++i)                                                    \
      CHECK(out[i] == static_cast<std::uint32_t>(static_cast<std::int8_t>(in[i] & 255)));     \
    L::store_nibbles(codes, v);                                                               \
    store(L::load_nibbles(codes));                                                            \
    for (std::uint32_t i = 0; i < 16; ++i) CHECK((out[i] & 15) == (in[i] & 15));              \
    for (std::uint32_t i = 0; i < 16; ++i) CHECK(out[i] + 8 < 16);                            \
    L::store_halves(codes, L::right<16>(v));                                                  \
    store(L::load_halves(codes));                                                             \
    for (std::uint32_t i = 0; i < 16; ++i) CHECK(out[i] == in[i] >> 16);                      \
    CHECK(L::largest(L::numbered(64)) == 79);                                                 \
  }
DSR1_LANES_TEST(simd::avx2, DSR1_AVX2)
DSR1_LANES_TEST(simd::avx512, DSR1_AVX512)
#undef DSR1_LANES_TEST

}  // namespace

TEST_CASE("wire_lanes: products, numbers and narrow codes") {
  if (has_isa(isa::avx2)) check_lanes(simd::avx2{});
  if (has_isa(isa::avx512)) check_lanes(simd::avx512{});
}

#endif
