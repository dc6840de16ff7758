// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Gradient descent against torch's values.

#include "optim/follow.hpp"

#include <dsr1/optim/sgd.hpp>

using namespace dsr1;

TEMPLATE_TEST_CASE("sgd: torch's values, step by step", "[golden]", double, float) {
  const double tolerance = sizeof(TestType) == 8 ? 1e-12 : 1e-5;
  follow::along<TestType>("sgd", sgd{}, {.tolerance = tolerance});
  follow::along<TestType>("sgd_momentum",
                          sgd{.momentum = 0.9, .weight_decay = {.value = 0.01, .vectors = true}},
                          {.tolerance = tolerance, .states = {"momentum_buffer"}});
  follow::along<TestType>("sgd_nesterov", sgd{.momentum = 0.9, .nesterov = true},
                          {.tolerance = tolerance, .states = {"momentum_buffer"}});
  follow::along<TestType>("sgd_dampening", sgd{.momentum = 0.9, .dampening = 0.3},
                          {.tolerance = tolerance, .states = {"momentum_buffer"}});
}

TEST_CASE("sgd: without momentum there is no state") {
  context<cpu> ctx({.threads = 1});
  follow::some_parameters<float> model;
  model.add(ctx, "x", parameter<float>({2}), {1, 2});
  const parameter_list<float> list(model);
  const auto states = [&](sgd policy) {
    optimizer<sgd> opt(ctx, list, policy);
    int n = 0;
    opt.for_each_state([&](const std::string&, auto&) { ++n; });
    return n;
  };
  CHECK(states({}) == 0);
  CHECK(states({.momentum = 0.5}) == 1);
  optimizer<sgd> opt(ctx, list);
  opt.policy().momentum = 0.5;  // too late
  CHECK(mentions(message_of([&] { opt.step(ctx, 0.1); }), "wants 1 states for parameter x",
                 "built with 0"));
}

TEST_CASE("sgd: numbers that do not go together") {
  context<cpu> ctx({.threads = 1});
  follow::some_parameters<float> model;
  model.add(ctx, "x", parameter<float>({2}), {1, 2});
  const auto message = [&](sgd policy) {
    optimizer<sgd> opt(ctx, parameter_list<float>(model), policy);
    return message_of([&] { opt.step(ctx, 0.1); });
  };
  CHECK(mentions(message({.nesterov = true}), "Nesterov's momentum with momentum 0"));
  CHECK(mentions(message({.momentum = 0.9, .dampening = 0.3, .nesterov = true}),
                 "dampening 0.3, expected above 0 and 0"));
  CHECK(mentions(message({.momentum = 1.5}), "sgd: momentum is 1.5"));
}
