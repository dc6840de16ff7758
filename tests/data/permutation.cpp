// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A permutation hits everything once, depends on key and stream, and favours no order.

#include <map>
#include <vector>

#include "catch.hpp"

#include <dsr1/data/permutation.hpp>

using namespace dsr1;

TEST_CASE("permutation: everything once") {
  for (const index_t n : {1, 2, 3, 10, 255, 256, 257, 5000}) {
    const permutation p(n, 42, 7);
    std::vector<int> hits(static_cast<std::size_t>(n));
    for (index_t i = 0; i < n; ++i) ++hits.at(static_cast<std::size_t>(p(i)));
    for (const int h : hits) REQUIRE(h == 1);
  }
}

TEST_CASE("permutation: large counts stay inside") {
  const index_t n = (index_t{1} << 40) + 12345;
  const permutation p(n, 1, 2);
  for (index_t i = 0; i < 1000; ++i) {
    REQUIRE(p(i) >= 0);
    REQUIRE(p(i) < n);
  }
}

TEST_CASE("permutation: key and stream decide") {
  const auto list = [](std::uint64_t key, std::uint64_t stream) {
    const permutation p(100, key, stream);
    std::vector<index_t> out;
    for (index_t i = 0; i < 100; ++i) out.push_back(p(i));
    return out;
  };
  CHECK(list(1, 2) == list(1, 2));
  CHECK(list(1, 2) != list(1, 3));
  CHECK(list(1, 2) != list(2, 2));
}

TEST_CASE("permutation: the orders of four things are equally frequent") {
  std::map<std::vector<index_t>, int> counts;
  const int draws = 24000;
  for (int key = 0; key < draws; ++key) {
    const permutation p(4, static_cast<std::uint64_t>(key), 0);
    ++counts[{p(0), p(1), p(2), p(3)}];
  }
  REQUIRE(counts.size() == 24);
  double chi = 0;
  for (const auto& [order, count] : counts) chi += (count - 1000.0) * (count - 1000.0) / 1000;
  CHECK(chi < 49.7);  // 23 degrees of freedom: exceeded once in 1000
}

TEST_CASE("permutation: count") {
  CHECK(mentions(message_of([] { permutation(0, 1, 1); }), "permutation of 0", "expected 1"));
}
