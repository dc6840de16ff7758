// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The measure that tests use: what counts as a difference, NaN and infinity among it.

#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"

#include <dsr1/testing/compare.hpp>

using namespace dsr1;
using dsr1::testing::compare;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

testing::difference between(const std::vector<double>& values,
                            const std::vector<double>& reference) {
  return compare(values.data(), reference.data(), static_cast<index_t>(values.size()));
}

}  // namespace

TEST_CASE("compare: the largest gap, and the largest magnitude of the reference") {
  const auto d = between({1, -2, 3}, {1, -2.5, 2.75});
  CHECK(d.absolute == 0.5);
  CHECK(d.scale == 2.75);
  CHECK(d.relative() == Approx(0.5 / 2.75));
  CHECK(between({1, 2}, {1, 2}).absolute == 0);
  CHECK(between({1, 2}, {1, 2}).scale == 2);
  CHECK(between({}, {}).absolute == 0);
  CHECK(between({}, {}).relative() == 0);
}

TEST_CASE("compare: a reference of zeros makes the relative difference absolute") {
  CHECK(between({1e-3, 0}, {0, 0}).relative() == 1e-3);
  CHECK(between({0}, {-0.0}).absolute == 0);
}

TEST_CASE("compare: NaN and infinity agree only with themselves") {
  CHECK(between({no_number, 1}, {no_number, 1}).absolute == 0);
  CHECK(between({infinity}, {infinity}).absolute == 0);
  CHECK(between({-infinity, 4}, {-infinity, 4}).scale == 4);  // infinities do not count as a scale
  for (const auto& [value, reference] :
       std::vector<std::pair<double, double>>{{no_number, 1},
                                              {1, no_number},
                                              {infinity, 1},
                                              {1, infinity},
                                              {infinity, -infinity},
                                              {no_number, infinity},
                                              {infinity, no_number}}) {
    const auto d = between({value, 2}, {reference, 2});
    INFO(value << " against " << reference);
    CHECK(d.absolute == infinity);
    CHECK(d.relative() == infinity);
    CHECK_FALSE(between({value}, {reference}).relative() < 1e300);
  }
}

TEST_CASE("compare: number types may differ") {
  const std::vector<float> a = {1.5f, 2};
  const std::vector<double> b = {1.5, 2.25};
  CHECK(compare(a.data(), b.data(), 2).absolute == 0.25);
  const int c[] = {1, 2};
  CHECK(compare(c, b.data(), 2).absolute == 0.5);
}

TEST_CASE("compare: views row by row, with their strides") {
  std::vector<float> a = {1, 2, 99, 3, 4, 98};
  std::vector<double> b = {1, 2, 3, 4.5};
  const auto slice = view<float, 2>(a.data(), 2, 3).slice_columns(0, 2);
  const view<const double, 2> dense(b.data(), 2, 2);
  CHECK(compare(slice, dense).absolute == 0.5);
  CHECK(compare(slice, dense).scale == 4.5);
  CHECK(compare(view<double, 1>(b.data(), 4), view<double, 1>(b.data(), 4)).absolute == 0);
  CHECK(compare(view<double, 3>(b.data(), 1, 2, 2), view<double, 3>(b.data(), 1, 2, 2)).scale ==
        4.5);
  CHECK(message_of([&] { compare(slice, view<const double, 2>(b.data(), 1, 4)); }) ==
        "compare of [2, 2] with [1, 4]");
}
