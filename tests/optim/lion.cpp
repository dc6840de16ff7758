// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Lion against a plain loop in double.

#include "optim/follow.hpp"

#include <dsr1/optim/lion.hpp>

using namespace dsr1;

TEMPLATE_TEST_CASE("lion: a loop in double", "", double, float) {
  using T = TestType;
  context<cpu> ctx({.threads = 2});
  follow::some_parameters<T> model;
  const index_t size = 37 * 41;
  const auto start = battery::normals<T>(size, 1);
  model.add(ctx, "matrix", parameter<T>({37, 41}), start);
  const lion policy{.beta1 = 0.85, .beta2 = 0.97, .weight_decay = {.value = 0.3}};
  optimizer<lion, T> opt(ctx, parameter_list<T>(model), policy);
  std::vector<double> p(start.begin(), start.end()), m(p.size());
  for (int step = 0; step < 12; ++step) {
    // A power of two as the scale, so that float and double round the gradient alike.
    const auto g = battery::normals<T>(size, static_cast<std::uint64_t>(10 + step));
    follow::set_gradient(model[0], g);
    if (step == 5) model[0].clear_gradient();
    opt.step(ctx, 0.01, 0.5);
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double gi = step == 5 ? 0 : 0.5 * static_cast<double>(g[i]);
      const double c = 0.85 * m[i] + (1 - 0.85) * gi;
      p[i] = p[i] * (1 - 0.01 * 0.3) - 0.01 * ((c > 0) - (c < 0));
      m[i] = 0.97 * m[i] + (1 - 0.97) * gi;
    }
    model[0].clear_gradient();
  }
  const double tolerance = sizeof(T) == 8 ? 1e-14 : 1e-6;
  CHECK(testing::compare(model[0].values().data(), p.data(), size).absolute < tolerance * 10);
  opt.for_each_state([&](const std::string& name, auto& state) {
    CHECK(name == "matrix.0");
    CHECK(testing::compare(state.data(), m.data(), size).absolute < tolerance);
  });
}

TEST_CASE("lion: a direction of exactly zero moves nothing") {
  context<cpu> ctx({.threads = 1});
  follow::some_parameters<float> model;
  model.add(ctx, "x", parameter<float>({3}), {1, 2, 3});
  optimizer<lion> opt(ctx, parameter_list<float>(model));
  follow::set_gradient(model[0], std::vector<float>{0, -1e-30f, -0.0f});
  opt.step(ctx, 0.5);
  CHECK(model.numbers() == std::vector<float>{1, 2.5f, 3});
}

TEST_CASE("lion: numbers out of range are named") {
  context<cpu> ctx({.threads = 1});
  follow::some_parameters<float> model;
  model.add(ctx, "x", parameter<float>({1}), {1});
  optimizer<lion> opt(ctx, parameter_list<float>(model), {.beta1 = 2});
  CHECK(mentions(message_of([&] { opt.step(ctx, 0.1); }), "lion: beta1 is 2"));
  opt.policy() = {.beta2 = 1};
  CHECK(mentions(message_of([&] { opt.step(ctx, 0.1); }), "lion: beta2 is 1"));
}
