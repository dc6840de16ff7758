// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Philox against its published vectors, and the distributions made from it.

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "catch.hpp"

#include <dsr1/core/random.hpp>

using namespace dsr1;

namespace {

bool is(const philox& p, std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return p.word[0] == a && p.word[1] == b && p.word[2] == c && p.word[3] == d;
}

}  // namespace

// The file kat_vectors of Random123, lines "philox4x32 10": counter words first, then key words;
// the lower word of a 64-bit number here is the first of a pair there.
TEST_CASE("random: the known-answer vectors of Random123") {
  CHECK(is(philox::at(0, 0, 0), 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  const std::uint64_t ones = ~std::uint64_t{0};
  CHECK(is(philox::at(ones, ones, ones), 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  CHECK(is(philox::at(0x299f31d0a4093822u, 0x85a308d3243f6a88u, 0x0370734413198a2eu), 0xd16cfe09,
           0x94fdcceb, 0x5001e420, 0x24126ea1));
  static_assert(philox::at(0, 0).word[0] == 0x6627e8d5);
}

TEST_CASE("random: an element depends on key, stream and number, each of them") {
  constexpr random_stream a(1, 2);
  static_assert(a.bits(3) == random_stream(1, 2).bits(3));
  static_assert(a.key() == 1 && a.stream() == 2 && a.words(3).word[0] == (a.bits(3) & 0xffffffffu));
  std::set<std::uint64_t> seen;
  for (std::uint64_t key = 0; key < 8; ++key)
    for (std::uint64_t stream = 0; stream < 8; ++stream)
      for (std::uint64_t i = 0; i < 8; ++i)
        CHECK(seen.insert(random_stream(key, stream).bits(i)).second);
  CHECK(random_stream(5).bits(9) == random_stream(5, 0).bits(9));
  const std::uint64_t far = std::uint64_t{1} << 40;  // the upper words of the counter count too
  CHECK(a.bits(far) != a.bits(0));
  CHECK(random_stream(1, far).bits(0) != random_stream(1, 0).bits(0));
  CHECK(random_stream(far).bits(0) != random_stream(0).bits(0));
}

TEST_CASE("random: uniform numbers have the moments of the uniform distribution") {
  const random_stream r(11, 1);
  const int n = 200'000;
  double sum = 0, squares = 0, product = 0, last = 0;
  std::vector<int> cells(64);
  for (int i = 0; i < n; ++i) {
    const double u = r.uniform(static_cast<std::uint64_t>(i));
    REQUIRE(u >= 0);
    REQUIRE(u < 1);
    sum += u;
    squares += u * u;
    product += u * last;
    last = u;
    ++cells[static_cast<std::size_t>(64 * u)];
  }
  // Bounds are five standard deviations of the estimates; the numbers are fixed, so never flaky.
  CHECK(std::abs(sum / n - 0.5) < 5 * std::sqrt(1.0 / 12 / n));
  CHECK(std::abs(squares / n - 1.0 / 3) < 5 * std::sqrt(4.0 / 45 / n));
  CHECK(std::abs(product / n - 0.25) < 5 * std::sqrt(7.0 / 144 / n));
  double chi = 0;
  for (const int c : cells) chi += (c - n / 64.0) * (c - n / 64.0) / (n / 64.0);
  CHECK(chi < 63 + 5 * std::sqrt(2 * 63.0));
  CHECK(chi > 63 - 5 * std::sqrt(2 * 63.0));
}

TEST_CASE("random: normal numbers have the moments and tails of the normal distribution") {
  const random_stream r(12, 1);
  const int n = 200'000;
  double m[5] = {};
  int beyond[4] = {};
  for (int i = 0; i < n; ++i) {
    const double z = r.normal(static_cast<std::uint64_t>(i));
    REQUIRE(std::isfinite(z));
    for (int k = 1; k < 5; ++k) m[k] += std::pow(z, k) / n;
    for (int k = 1; k < 4; ++k) beyond[k] += std::abs(z) > k;
  }
  CHECK(std::abs(m[1]) < 5 / std::sqrt(n));
  CHECK(std::abs(m[2] - 1) < 5 * std::sqrt(2.0 / n));
  CHECK(std::abs(m[3]) < 5 * std::sqrt(15.0 / n));
  CHECK(std::abs(m[4] - 3) < 5 * std::sqrt(96.0 / n));
  for (int k = 1; k < 4; ++k) {
    const double p = std::erfc(k / std::sqrt(2.0));
    CHECK(std::abs(beyond[k] - n * p) < 5 * std::sqrt(n * p));
  }
}

TEST_CASE("random: normal numbers come in blocks of four, the same one by one") {
  const random_stream r(14, 3);
  for (std::uint64_t block = 0; block < 1000; ++block) {
    float four[4];
    r.normals(block, four);
    for (std::uint64_t i = 0; i < 4; ++i)
      REQUIRE(r.normal(4 * block + i) == static_cast<double>(four[i]));
  }
  double correlation[4] = {};  // of each with its neighbour: the pairs share an angle and a radius
  const int n = 50'000;
  for (int i = 0; i < n; ++i)
    for (std::uint64_t lag = 0; lag < 4; ++lag)
      correlation[lag] += r.normal(static_cast<std::uint64_t>(4 * i) + lag) *
                          r.normal(static_cast<std::uint64_t>(4 * i) + lag + 1) / n;
  for (const double c : correlation) CHECK(std::abs(c) < 5 / std::sqrt(n));
}

TEST_CASE("random: streams are independent") {
  const int n = 50'000;
  double correlation = 0;
  for (int i = 0; i < n; ++i)
    correlation += random_stream(3, 1).normal(static_cast<std::uint64_t>(i)) *
                   random_stream(3, 2).normal(static_cast<std::uint64_t>(i)) / n;
  CHECK(std::abs(correlation) < 5 / std::sqrt(n));
}

TEST_CASE("random: below stays below, and reaches everything") {
  const random_stream r(13, 1);
  for (const std::uint64_t n : {1u, 2u, 3u, 10u, 4294967295u}) {
    std::vector<int> cells(10);
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      const std::uint64_t x = r.below(i, n);
      REQUIRE(x < n);
      if (n <= 10) ++cells[x];
    }
    for (std::uint64_t c = 0; c < n && n <= 10; ++c) {
      const double mean = 20'000.0 / static_cast<double>(n);
      CHECK(std::abs(cells[c] - mean) <= 5 * std::sqrt(mean));
    }
  }
}

TEST_CASE("random: streams of names differ, and the name is hashed as FNV-1a") {
  static_assert(stream_of("") == 0xcbf29ce484222325u);
  static_assert(stream_of("a") == 0xaf63dc4c8601ec8cu);  // published test vectors of FNV-1a
  static_assert(stream_of("foobar") == 0x85944171f73967e8u);
  CHECK(stream_of("layers.0.weight") != stream_of("layers.1.weight"));
  CHECK(stream_of("\xff") !=
        stream_of("\x7f"));  // bytes above 127 do not depend on the sign of char
  static_assert(stream_of("\xff") == (0xcbf29ce484222325u ^ 0xffu) * 0x100000001b3u);
}
