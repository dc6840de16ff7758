// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// AdamW against torch's values and against a loop.

#include <cmath>

#include "optim/follow.hpp"

#include <dsr1/optim/adamw.hpp>

using namespace dsr1;

TEMPLATE_TEST_CASE("adamw: torch's values, step by step", "[golden]", double, float) {
  const double tolerance = sizeof(TestType) == 8 ? 1e-12 : 1e-5;
  follow::along<TestType>("adamw", adamw{.weight_decay = {.value = 0.1, .vectors = true}},
                          {.tolerance = tolerance, .states = {"exp_avg", "exp_avg_sq"}});
  follow::along<TestType>(
      "adamw_eps", adamw{.beta2 = 0.999, .eps = 1e-3, .weight_decay = {}},
      {.rate = 3e-3, .tolerance = tolerance, .states = {"exp_avg", "exp_avg_sq"}});
}

TEST_CASE("adamw: the first step has the size of the rate, whatever the gradient") {
  context<cpu> ctx({.threads = 1});
  follow::some_parameters<double> model;
  model.add(ctx, "x", parameter<double>({4}), {1, 1, 1, 1});
  optimizer<adamw, double> opt(ctx, parameter_list<double>(model), {.weight_decay = {}});
  follow::set_gradient(model[0], std::vector<double>{1e-3, -1e3, 5, 0});
  opt.step(ctx, 0.25);
  const std::vector<double> expected = {0.75, 1.25, 0.75, 1};
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(model.numbers()[i] == Approx(expected[i]).epsilon(1e-5));
}

TEST_CASE("adamw: decay reaches matrices and spares vectors, unless told otherwise") {
  for (const bool vectors : {false, true}) {
    context<cpu> ctx({.threads = 1});
    follow::some_parameters<double> model;
    model.add(ctx, "matrix", parameter<double>({1, 2}), {2, -4});
    model.add(ctx, "vector", parameter<double>({2}), {2, -4});
    optimizer<adamw, double> opt(ctx, parameter_list<double>(model),
                                 {.weight_decay = {.value = 0.5, .vectors = vectors}});
    opt.step(ctx, 0.1);  // no gradient at all: only the decay moves anything
    CHECK(model.numbers() == (vectors ? std::vector<double>{1.9, -3.8, 1.9, -3.8}
                                      : std::vector<double>{1.9, -3.8, 2, -4}));
  }
}

TEST_CASE("adamw: numbers out of range are named, and nothing has changed") {
  context<cpu> ctx({.threads = 1});
  follow::some_parameters<float> model;
  model.add(ctx, "x", parameter<float>({2}), {1, 2});
  follow::set_gradient(model[0], std::vector<float>{1, 1});
  const auto message = [&](adamw policy) {
    optimizer<adamw> opt(ctx, parameter_list<float>(model), policy);
    const std::string said = message_of([&] { opt.step(ctx, 0.1); });
    CHECK(opt.steps() == 0);
    CHECK(model.numbers() == std::vector<float>{1, 2});
    return said;
  };
  CHECK(mentions(message({.beta1 = 1}), "adamw: beta1 is 1, expected from 0 to below 1"));
  CHECK(mentions(message({.beta2 = -0.5}), "adamw: beta2 is -0.5"));
  CHECK(mentions(message({.beta2 = std::nan("")}), "adamw: beta2 is nan"));
  CHECK(mentions(message({.eps = -1e-8}), "adamw: eps is -1e-08"));
}
