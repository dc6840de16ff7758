// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The content hash: independent of how bytes arrive, sensitive to each bit, to length and order.

#include <set>
#include <string>
#include <vector>

#include "catch.hpp"

#include <dsr1/core/hash.hpp>
#include <dsr1/core/random.hpp>

using namespace dsr1;

namespace {

std::vector<unsigned char> bytes(std::size_t count, std::uint64_t stream) {
  const random_stream r(7, stream);
  std::vector<unsigned char> out(count);
  for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<unsigned char>(r.bits(i));
  return out;
}

std::uint64_t hash_of(const std::vector<unsigned char>& data) {
  content_hash h;
  h.add(data.data(), data.size());
  return h.value();
}

}  // namespace

TEST_CASE("hash: the same bytes give the same value, however they are split") {
  for (const std::size_t count : {0, 1, 7, 31, 32, 33, 63, 64, 65, 200, 1000}) {
    const auto data = bytes(count, count);
    const std::uint64_t whole = hash_of(data);
    for (const std::size_t step : {1, 3, 8, 31, 32, 33, 100}) {
      content_hash h;
      for (std::size_t i = 0; i < count; i += step)
        h.add(data.data() + i, std::min(step, count - i));
      REQUIRE(h.value() == whole);
    }
    const random_stream cut(8, count);  // pieces of random sizes, empty ones among them
    for (std::uint64_t trial = 0, n = 0; trial < 20; ++trial) {
      content_hash h;
      for (std::size_t i = 0; i < count;) {
        const std::size_t take = std::min<std::size_t>(cut.below(n++, 70), count - i);
        h.add(data.data() + i, take);
        i += take;
      }
      REQUIRE(h.value() == whole);
    }
  }
}

TEST_CASE("hash: asking for the value changes nothing") {
  const auto data = bytes(90, 1);
  content_hash h;
  h.add(data.data(), 50);
  CHECK(h.value() == h.value());
  h.add(data.data() + 50, 40);
  CHECK(h.value() == hash_of(data));
}

TEST_CASE("hash: every single bit counts") {
  for (const std::size_t count : {1, 31, 32, 100}) {
    auto data = bytes(count, 3);
    std::set<std::uint64_t> seen = {hash_of(data)};
    int flipped = 0, changed_bits = 0;
    for (std::size_t i = 0; i < count; ++i)
      for (int b = 0; b < 8; ++b, ++flipped) {
        data[i] ^= static_cast<unsigned char>(1 << b);
        const std::uint64_t value = hash_of(data);
        changed_bits += __builtin_popcountll(value ^ *seen.begin());
        CHECK(seen.insert(value).second);
        data[i] ^= static_cast<unsigned char>(1 << b);
      }
    // About half of the 64 bits change on average.
    CHECK(static_cast<double>(changed_bits) / flipped > 24);
    CHECK(static_cast<double>(changed_bits) / flipped < 40);
  }
}

TEST_CASE("hash: truncation, extension by zeros, and exchanged words are noticed") {
  auto data = bytes(128, 4);
  std::set<std::uint64_t> seen;
  for (std::size_t n = 0; n <= data.size(); ++n)
    CHECK(
        seen.insert(hash_of({data.begin(), data.begin() + static_cast<std::ptrdiff_t>(n)})).second);
  std::set<std::uint64_t> zeros;
  for (std::size_t n = 0; n <= 100; ++n)
    CHECK(zeros.insert(hash_of(std::vector<unsigned char>(n))).second);
  auto swapped = data;
  std::swap_ranges(swapped.begin(), swapped.begin() + 8,
                   swapped.begin() + 8);  // lanes of one block
  CHECK(hash_of(swapped) != hash_of(data));
  swapped = data;
  std::swap_ranges(swapped.begin(), swapped.begin() + 8,
                   swapped.begin() + 32);  // blocks of one lane
  CHECK(hash_of(swapped) != hash_of(data));
}

TEST_CASE("hash: values are the same in every build") {
  content_hash empty;
  CHECK(empty.value() == 0x3156cfb842497c8fu);
  const std::string words = "the quick brown fox jumps over the lazy dog";
  content_hash h;
  h.add(words.data(), words.size());
  CHECK(h.value() == 0x54b381fcb399afceu);
}

TEST_CASE("hash_text: 16 digits") {
  CHECK(hash_text(0) == "0000000000000000");
  CHECK(hash_text(0xfedcba9876543210u) == "fedcba9876543210");
}
