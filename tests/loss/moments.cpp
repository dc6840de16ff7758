// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Means, variances and whitening, in one piece and in parts.

#include <limits>
#include <vector>

#include "battery/device.hpp"

#include <dsr1/loss/moments.hpp>

using namespace dsr1;

TEST_CASE("moments: mean and variance of what counts") {
  const std::vector<double> x = {1, 2, 100, 3, 6};
  const std::vector<std::uint8_t> mask = {1, 1, 0, 1, 1};
  const moments m = moments_of(x, mask);
  CHECK(m.count == 4);
  CHECK(m.mean() == Approx(3));
  CHECK(m.variance(false) == Approx(14.0 / 4));
  CHECK(m.variance(true) == Approx(14.0 / 3));
  CHECK(moments_of(x).count == 5);
  CHECK(moments().mean() == 0);
  CHECK(moments().variance(false) == 0);
  CHECK(moments_of(std::vector<double>{7}).variance(true) == 0);
}

TEST_CASE("moments: parts of a batch add up, and whitening does not see them") {
  auto x = battery::normals<double>(30, 1, 3);
  for (double& v : x) v += 5;
  auto parts = x;
  moments sum;
  for (std::size_t first = 0; first < 30; first += 10)
    sum += moments_of(std::span<const double>(x).subspan(first, 10));
  const moments all = moments_of(x);
  CHECK(sum.variance(true) == Approx(all.variance(true)));
  whiten(x, {}, all, {.unbiased = true, .eps = 0});
  for (std::size_t first = 0; first < 30; first += 10)
    whiten(std::span<double>(parts).subspan(first, 10), {}, sum, {.unbiased = true, .eps = 0});
  battery::check_close(parts, x, "in parts");
  CHECK(moments_of(x).mean() == Approx(0).margin(1e-14));
  CHECK(moments_of(x).variance(true) == Approx(1));
}

TEST_CASE("moments: about a number near the mean, large numbers lose nothing") {
  std::vector<double> x;
  for (int i = 0; i < 1000; ++i) x.push_back(1e9 + i % 2);
  CHECK(moments_of(x, {}, 1e9).variance(false) == 0.25);
  CHECK(moments_of(x, {}, 1e9).mean() == 1e9 + 0.5);
}

TEST_CASE("moments: a mean that stays, and numbers that do not vary") {
  std::vector<double> x = {4, 5, 6}, same = {2, 2};
  whiten(x, {}, moments_of(x), {.shift = false, .eps = 0});
  CHECK(x[1] == Approx(5));
  CHECK(moments_of(x).variance(false) == Approx(1));
  whiten(same, {}, moments_of(same), {.eps = 0});
  CHECK(same == std::vector<double>{0, 0});
}

TEST_CASE("moments: errors") {
  std::vector<double> x = {1, std::numeric_limits<double>::quiet_NaN()};
  const std::vector<std::uint8_t> three = {1, 1, 1}, first = {1, 0};
  CHECK(mentions(message_of([&] { moments_of(x); }), "number 1 is", "nan"));
  CHECK(moments_of(x, first).sum == 1);
  CHECK(mentions(message_of([&] { moments_of(x, three); }), "2 numbers with a mask of 3"));
  CHECK(mentions(message_of([&] { whiten(x, three, {}); }), "2 numbers with a mask of 3"));
  CHECK(mentions(message_of([&] { whiten(x, {}, {}, {.eps = -1}); }), "eps is -1"));
  CHECK(mentions(message_of([&] {
                   moments m = moments_of(x, first, 2);
                   m += moments_of(x, first);
                 }),
                 "moments about 0 added to moments about 2"));
}
