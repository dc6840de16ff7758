// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// RMSNorm as a layer: gradients, where a bfloat16 model rounds, names, errors.

#include <cmath>

#include "nn/layer_checks.hpp"

#include <dsr1/core/float16.hpp>
#include <dsr1/nn/rms_norm.hpp>

using namespace dsr1;
using namespace layer_checks;

TEST_CASE("rms_norm: what every layer must show") {
  check_layer([]<class T>() { return rms_norm<rms_norm_shape{}, T>({.dim = 9}); }, 9, 9);
  check_layer(
      []<class T>() {
        return rms_norm<rms_norm_shape{.dim = 4}, T>(rms_norm_shape{}, {.eps = 0.5});
      },
      4, 4);
}

TEST_CASE("rms_norm: static and dynamic shapes give the same bits") {
  check_same_bits(rms_norm<rms_norm_shape{.dim = 45}>(), rms_norm<>({.dim = 45}), 45, 45);
}

TEST_CASE("rms_norm: a layer that has just been made divides by the root of the mean square") {
  context<cpu> ctx({.threads = 1});
  rms_norm<rms_norm_shape{}, double> l({.dim = 4}, {.eps = 0});
  initialize(ctx, l);
  const std::vector<double> x = {1, -1, 1, 5, 3, 3, -3, 3};
  rms_norm<rms_norm_shape{}, double>::saved s;
  const auto y = l.forward(ctx, battery::matrix_of(x, 2, 4), s);
  for (index_t i = 0; i < 4; ++i) {
    CHECK(y(0, i) == Approx(x[static_cast<std::size_t>(i)] / std::sqrt(7.0)));
    CHECK(std::abs(y(1, i)) == Approx(1));
  }
}

TEST_CASE("rms_norm: roundings are those of a loop over bfloat16") {
  context<cpu> ctx({.threads = 1});
  const index_t n = 20, dim = 37;
  const auto round = [](float v) { return static_cast<float>(bf16(v)); };
  auto x = battery::normals<float>(n * dim, 1);
  for (float& v : x)
    v = round(v);  // such a model's activations and weights are bfloat16 themselves
  for (const norm_rounding rounding : {norm_rounding::after_weight, norm_rounding::before_weight}) {
    rms_norm<> l({.dim = dim}, {.eps = 1e-6, .rounding = rounding});
    prepare(ctx, l);
    std::vector<float> w;
    l.for_each_parameter([&](const parameter_name&, auto& p) {
      for (float& v : p.values()) v = round(1 + v);
      w.assign(p.values().begin(), p.values().end());
    });
    rms_norm<>::saved s;
    const auto y = l.forward(ctx, battery::matrix_of(x, n, dim), s);
    int different = 0;
    for (index_t t = 0; t < n; ++t) {
      double squares = 0;
      for (index_t i = 0; i < dim; ++i)
        squares += std::pow(static_cast<double>(x[static_cast<std::size_t>(t * dim + i)]), 2);
      const auto r = static_cast<float>(1 / std::sqrt(squares / static_cast<double>(dim) + 1e-6));
      for (index_t i = 0; i < dim; ++i) {
        const float v = x[static_cast<std::size_t>(t * dim + i)] * r,
                    a = w[static_cast<std::size_t>(i)];
        const float expected =
            rounding == norm_rounding::before_weight ? round(a * round(v)) : round(a * v);
        // r may differ in its last bit, which moves a value that lies between two numbers.
        different += y(t, i) != expected;
        REQUIRE(std::abs(y(t, i) - expected) <= 0x1p-7f * std::abs(expected));
      }
    }
    CHECK(different <= 2);
  }
}

TEST_CASE("rms_norm: names and errors") {
  rms_norm<> l({.dim = 3});
  CHECK(names(l) == std::vector<std::string>{"weight"});
  CHECK(mentions(message_of([] { rms_norm<> m; }), "rms_norm: dim", "dynamic"));
  CHECK(mentions(message_of([] { rms_norm<rms_norm_shape{.dim = 3}> m({.dim = 4}); }), "dim is 4",
                 "fixes it to 3"));
  CHECK(mentions(message_of([] { rms_norm<> m({.dim = 3}, {.eps = -1}); }), "eps is -1"));
  context<cpu> ctx({.threads = 1});
  initialize(ctx, l);
  rms_norm<>::saved s;
  const std::vector<float> v(12);
  CHECK(mentions(message_of([&] { l.forward(ctx, battery::matrix_of(v, 3, 4), s); }), "4 columns",
                 "expected 3"));
  l.forward(ctx, battery::matrix_of(v, 4, 3), s);
  CHECK(mentions(message_of([&] { l.backward(ctx, battery::matrix_of(v, 3, 3), s); }),
                 "dy is [3, 3]", "expected [4, 3]"));
}
