// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Top-k with and without groups: order, ties, a naive reference.

#include <algorithm>
#include <numeric>
#include <vector>

#include "battery/context.hpp"
#include "catch.hpp"

#include <dsr1/moe/select.hpp>

using namespace dsr1;

namespace {

std::vector<std::int32_t> naive(const std::vector<double>& s, std::size_t k) {
  std::vector<std::int32_t> order(s.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return s[static_cast<std::size_t>(a)] > s[static_cast<std::size_t>(b)];
  });
  order.resize(k);
  return order;
}

std::vector<std::int32_t> top(const std::vector<double>& s, std::size_t k) {
  std::vector<std::int32_t> index(k);
  std::vector<double> value(k);
  select_top<double>(s, index, value);
  for (std::size_t j = 0; j < k; ++j) CHECK(value[j] == s[static_cast<std::size_t>(index[j])]);
  return index;
}

}  // namespace

TEST_CASE("select_top: best first, as a stable sort") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    auto s = battery::normals<double>(1 + static_cast<index_t>(seed) * 3, seed);
    if (seed % 2)
      for (double& v : s) v = std::round(v);  // many ties
    for (std::size_t k = 1; k <= s.size(); k = 2 * k + 1) CHECK(top(s, k) == naive(s, k));
  }
}

TEST_CASE("select_top: ties go to the lowest index") {
  CHECK(top({1, 1, 1, 1}, 2) == std::vector<std::int32_t>{0, 1});
  CHECK(top({0, 2, 2, 3, 2}, 3) == std::vector<std::int32_t>{3, 1, 2});
}

TEST_CASE("select_top_in_groups: experts of other groups are never chosen") {
  // The example of the DeepSeek-V3 mask trap: biased scores of the chosen group are negative.
  const std::vector<double> s = {-0.02, -0.68, -0.85, -0.28, 0.52, -0.4, -0.52, -0.78};
  std::vector<std::int32_t> index(3);
  std::vector<double> value(3);
  select_top_in_groups<double>(s, 2, 1, group_score::best_two, index, value);
  CHECK(index == std::vector<std::int32_t>{4, 5, 6});
}

TEST_CASE("select_top_in_groups: the two rules differ") {
  const std::vector<double> s = {5, 0, 3, 3};  // best: group 0; sum of the best two: group 1
  std::vector<std::int32_t> index(2);
  std::vector<double> value(2);
  select_top_in_groups<double>(s, 2, 1, group_score::best, index, value);
  CHECK(index == std::vector<std::int32_t>{0, 1});
  select_top_in_groups<double>(s, 2, 1, group_score::best_two, index, value);
  CHECK(index == std::vector<std::int32_t>{2, 3});
}

TEST_CASE("select_top_in_groups: groups of one expert, and all groups kept") {
  const std::vector<double> s = {1, 4, 2, 3};
  std::vector<std::int32_t> index(2);
  std::vector<double> value(2);
  select_top_in_groups<double>(s, 4, 2, group_score::best_two, index, value);
  CHECK(index == std::vector<std::int32_t>{1, 3});
  select_top_in_groups<double>(s, 2, 2, group_score::best_two, index, value);
  CHECK(index == std::vector<std::int32_t>{1, 3});
}
