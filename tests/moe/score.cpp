// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Score functions: values, extremes, slopes by finite differences.

#include <vector>

#include "battery/context.hpp"
#include "catch.hpp"

#include <dsr1/moe/score.hpp>

using namespace dsr1;

namespace {

template <class Score>
std::vector<double> scores(const std::vector<double>& logits) {
  std::vector<double> s(logits.size());
  Score().forward(std::span<const double>(logits), std::span<double>(s));
  return s;
}

template <class Score>
void check_slope() {
  auto logits = battery::normals<double>(9, 3, 2);
  const auto ds = battery::normals<double>(9, 4);
  const auto s = scores<Score>(logits);
  std::vector<double> slope(9, 0.25);  // backward adds
  Score().backward(std::span<const double>(logits), std::span<const double>(s),
                   std::span<const double>(ds), std::span<double>(slope));
  for (std::size_t i = 0; i < 9; ++i) {
    const double kept = logits[i], step = 1e-6;
    double loss[2] = {};
    for (int side = 0; side < 2; ++side) {
      logits[i] = kept + (side ? step : -step);
      const auto moved = scores<Score>(logits);
      for (std::size_t j = 0; j < 9; ++j) loss[side] += ds[j] * moved[j];
    }
    logits[i] = kept;
    CHECK(slope[i] - 0.25 == Approx((loss[1] - loss[0]) / (2 * step)).margin(1e-8));
  }
}

}  // namespace

TEST_CASE("scores: values") {
  const std::vector<double> x = {0, std::log(3.0)};
  CHECK(scores<softmax_score>(x)[1] == Approx(0.75));
  CHECK(scores<sigmoid_score>(x)[1] == Approx(0.75));
  CHECK(scores<sqrt_softplus_score>(x)[0] == Approx(std::sqrt(std::log(2.0))));
  CHECK(scores<sqrt_softplus_score>(x)[1] == Approx(std::sqrt(std::log(4.0))));
}

TEST_CASE("scores: huge logits stay finite") {
  for (const double big : {700.0, -700.0, 5000.0, -5000.0}) {
    for (const double s : scores<softmax_score>({big, big - 1, 0})) CHECK(std::isfinite(s));
    for (const double s : scores<sigmoid_score>({big, 0})) CHECK(std::isfinite(s));
    for (const double s : scores<sqrt_softplus_score>({big, 0})) CHECK(std::isfinite(s));
  }
}

TEST_CASE("scores: slopes agree with finite differences") {
  check_slope<softmax_score>();
  check_slope<sigmoid_score>();
  check_slope<sqrt_softplus_score>();
}
