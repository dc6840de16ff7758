// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Rotary frequencies of the published models, and what a rotation keeps.

#include <cmath>

#include "battery/context.hpp"
#include "catch.hpp"

#include <dsr1/attention/rope.hpp>

using namespace dsr1;

TEST_CASE("rope: plain frequencies") {
  const rope<double> r(8, {.theta = 10'000});
  CHECK(r.frequency()[0] == 1);
  CHECK(r.frequency()[1] == Approx(0.1));
  CHECK(r.frequency()[3] == Approx(0.001));
  CHECK(r.concentration() == 1);
}

TEST_CASE("rope: YaRN of gpt-oss, borders not rounded") {
  const rope<double> r(
      64, {.theta = 150'000, .yarn = {.factor = 32, .original_length = 4096, .truncate = false}});
  CHECK(r.concentration() == Approx(1.3465736));
  CHECK(r.frequency()[8] == Approx(5.081327e-2).epsilon(1e-6));
  CHECK(r.frequency()[9] == Approx(3.170570e-2).epsilon(1e-6));
  CHECK(r.frequency()[12] == Approx(6.794959e-3).epsilon(1e-6));
  CHECK(r.frequency()[17] == Approx(1.293187e-4).epsilon(1e-6));
  CHECK(r.frequency()[18] == Approx(3.830881e-5).epsilon(1e-6));
  CHECK(r.frequency()[31] == Approx(3.023511e-7).epsilon(1e-6));
}

TEST_CASE("rope: YaRN of DeepSeek-V3, borders rounded, cosine and sine unscaled") {
  const rope<double> r(
      64, {.theta = 10'000, .yarn = {.factor = 40, .original_length = 4096, .concentration = 1}});
  CHECK(r.concentration() == 1);
  CHECK(r.frequency()[0] == 1);
  CHECK(r.frequency()[10] == Approx(5.623413e-2).epsilon(1e-6));
  CHECK(r.frequency()[11] == Approx(3.900693e-2).epsilon(1e-6));
  CHECK(r.frequency()[16] == Approx(5.5e-3).epsilon(1e-6));
  CHECK(r.frequency()[22] == Approx(1.778279e-4).epsilon(1e-6));
  CHECK(r.frequency()[23] == Approx(3.333804e-5).epsilon(1e-6));
  CHECK(r.frequency()[31] == Approx(3.333804e-6).epsilon(1e-6));
}

TEST_CASE("rope: scores depend on the distance only, in both layouts") {
  context<cpu> ctx({.threads = 1});
  for (const rope_layout layout : {rope_layout::half_split, rope_layout::interleaved}) {
    rope<double> r(10, {.layout = layout});
    const auto score = [&](index_t p, index_t q) {
      auto a = battery::normals<double>(10, 1), b = battery::normals<double>(10, 2);
      const sequence at_p{.begin = 0, .length = 1, .position = p},
          at_q{.begin = 0, .length = 1, .position = q};
      r.apply(ctx, battery::matrix_of(a, 1, 10), sequence_layout({&at_p, 1}));
      r.apply(ctx, battery::matrix_of(b, 1, 10), sequence_layout({&at_q, 1}));
      double sum = 0;
      for (std::size_t i = 0; i < 10; ++i) sum += a[i] * b[i];
      return sum;
    };
    CHECK(score(7, 3) == Approx(score(1004, 1000)).epsilon(1e-9));
    CHECK(score(0, 0) == Approx(score(700, 700)).epsilon(1e-9));
    CHECK(std::abs(score(7, 3) - score(8, 3)) > 1e-3);
  }
}

TEST_CASE("rope: the layouts rotate different pairs by the same angles") {
  context<cpu> ctx({.threads = 1});
  rope<double> halves(6), pairs(6, {.layout = rope_layout::interleaved});
  auto x = battery::normals<double>(6, 1);
  std::vector<double> y = {x[0], x[3], x[1], x[4], x[2], x[5]};
  const sequence s{.begin = 0, .length = 1, .position = 9};
  halves.apply(ctx, battery::matrix_of(x, 1, 6), sequence_layout({&s, 1}));
  pairs.apply(ctx, battery::matrix_of(y, 1, 6), sequence_layout({&s, 1}));
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(y[2 * i] == x[i]);
    CHECK(y[2 * i + 1] == x[i + 3]);
  }
  pairs.apply(ctx, battery::matrix_of(y, 1, 6), sequence_layout({&s, 1}), true);
  CHECK(y[1] == Approx(battery::normals<double>(6, 1)[3]));  // the inverse undoes it
}

TEST_CASE("rope: errors") {
  CHECK(mentions(message_of([] { rope<float> r(7); }), "head_dim is 7", "even"));
  CHECK(mentions(message_of([] { rope<float> r(8, {.theta = -1}); }), "theta is -1"));
  CHECK(mentions(message_of([] { rope<float> r(8, {.yarn = {.factor = 0.5}}); }), "0.5"));
}
