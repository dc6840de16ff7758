// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What all optimizers share: whom they change, their state, threads, policies of users.

#include <limits>

#include "optim/follow.hpp"

#include <dsr1/nn/initialize.hpp>
#include <dsr1/optim/lion.hpp>
#include <dsr1/optim/muon.hpp>
#include <dsr1/optim/sgd.hpp>

using namespace dsr1;

namespace {

template <class T>
void fill_model(context<cpu>& ctx, follow::some_parameters<T>& model) {
  std::uint64_t stream = 0;
  const auto add = [&](const std::string& name, parameter<T> p) {
    const index_t n = p.size();
    auto& q = model.add(ctx, name, std::move(p), battery::normals<T>(n, ++stream));
    follow::set_gradient(q, battery::normals<T>(n, 100 + stream));
  };
  add("large.weight", parameter<T>({300, 250}));  // several chunks
  add("norm", parameter<T>({17}));
  add("experts", parameter<T>({3, 40, 30}, {.per_expert = true}));
  add("empty", parameter<T>({0, 5}));
  add("one", parameter<T>({1}));
}

template <class T, class Policy>
std::vector<T> after_steps(int threads, Policy policy) {
  context<cpu> ctx({.threads = threads});
  follow::some_parameters<T> model;
  fill_model(ctx, model);
  optimizer<Policy, T> opt(ctx, parameter_list<T>(model), policy);
  for (int i = 0; i < 4; ++i) opt.step(ctx, 0.01, 0.5);
  return model.numbers();
}

template <class T, class Policy>
void same_for_all_threads(Policy policy) {
  const auto one = after_steps<T>(1, policy);
  CHECK(after_steps<T>(2, policy) == one);
  CHECK(after_steps<T>(5, policy) == one);
  for (const T v : one) REQUIRE(std::isfinite(v));
}

/// The smallest policy that a user could write: p -= rate g, through an operation of the backend.
struct plain_descent {
  static constexpr std::string_view name = "plain_descent";

  static constexpr int states(std::string_view, int) { return 0; }
  static constexpr double decay(std::string_view, int) { return 0; }
  template <class Ctx, class T>
  void update(Ctx& ctx, std::span<const optimizer_tensor<T>> tensors,
              const optimizer_step& s) const {
    Ctx::backend::sgd(ctx, tensors,
                      sgd_numbers{.momentum = 0,
                                  .dampening = 0,
                                  .nesterov = false,
                                  .first = true,
                                  .gradient_scale = s.gradient_scale});
  }
};
static_assert(optimizer_policy<plain_descent, context<cpu>, float>);
static_assert(optimizer_policy<adamw, context<cpu>, float> &&
              optimizer_policy<adamw, context<cpu>, double>);
static_assert(optimizer_policy<sgd, context<cpu>, float> &&
              optimizer_policy<lion, context<cpu>, float>);
static_assert(optimizer_policy<muon, context<cpu>, float>);
static_assert(!optimizer_policy<int, context<cpu>, float>);

}  // namespace

TEMPLATE_TEST_CASE("optimizer: any number of threads gives the same bits", "", float, double) {
  same_for_all_threads<TestType>(adamw{});
  same_for_all_threads<TestType>(sgd{.momentum = 0.9, .nesterov = true});
  same_for_all_threads<TestType>(lion{});
  same_for_all_threads<TestType>(muon{});
}

TEST_CASE("optimizer: only parameters under its rule change, each at its own rate") {
  context<cpu> ctx({.threads = 1});
  follow::some_parameters<double> model;
  for (const update_rule rule : {update_rule::optimizer, update_rule::balance, update_rule::none})
    follow::set_gradient(model.add(ctx, "p" + std::to_string(model.names.size()),
                                   parameter<double>({1}, {.update = rule, .rate = 0.5}), {8}),
                         std::vector<double>{1});
  follow::set_gradient(model.add(ctx, "full", parameter<double>({1}), {8}), std::vector<double>{1});
  optimizer<plain_descent, double> opt(ctx, parameter_list<double>(model));
  opt.step(ctx, 0.25, 2);
  CHECK(model.numbers() == std::vector<double>{7.75, 8, 8, 7.5});
}

TEST_CASE("optimizer: a gradient that nobody wrote is zero and is not read") {
  context<cpu> ctx({.threads = 1});
  const auto run = [&](auto policy, bool written) {
    follow::some_parameters<float> model;
    auto& p = model.add(ctx, "x", parameter<float>({3, 7}), battery::normals<float>(21, 1));
    optimizer<decltype(policy)> opt(ctx, parameter_list<float>(model), policy);
    follow::set_gradient(p, battery::normals<float>(21, 2));
    opt.step(ctx, 0.1);
    p.clear_gradient();
    if (written)
      follow::set_gradient(p, std::vector<float>(21));
    else
      std::fill(p.gradients().begin(), p.gradients().end(),
                std::numeric_limits<float>::quiet_NaN());
    opt.step(ctx, 0.1);
    return model.numbers();
  };
  CHECK(run(adamw{}, false) == run(adamw{}, true));
  CHECK(run(sgd{.momentum = 0.9, .weight_decay = {.value = 0.1}}, false) ==
        run(sgd{.momentum = 0.9, .weight_decay = {.value = 0.1}}, true));
  CHECK(run(sgd{}, false) == run(sgd{}, true));
  CHECK(run(lion{}, false) == run(lion{}, true));
  CHECK(run(muon{}, false) == run(muon{}, true));
}

TEST_CASE("optimizer: state and step count carried to another one continue to the bit") {
  const auto continues = [](auto policy) {
    using Policy = decltype(policy);
    context<cpu> ctx({.threads = 2});
    follow::some_parameters<float> whole, first, second;
    for (auto* m : {&whole, &first, &second}) fill_model(ctx, *m);
    optimizer<Policy> a(ctx, parameter_list<float>(whole), policy),
        b(ctx, parameter_list<float>(first), policy), c(ctx, parameter_list<float>(second), policy);
    for (int i = 0; i < 5; ++i) a.step(ctx, 0.01);
    for (int i = 0; i < 2; ++i) b.step(ctx, 0.01);
    std::map<std::string, std::vector<float>> kept;
    b.for_each_state(
        [&](const std::string& name, buffer<float>& s) { kept[name].assign(s.begin(), s.end()); });
    c.for_each_state([&](const std::string& name, buffer<float>& s) {
      REQUIRE(kept.at(name).size() == static_cast<std::size_t>(s.size()));
      std::copy(kept[name].begin(), kept[name].end(), s.begin());
      kept.erase(name);
    });
    CHECK(kept.empty());
    for (std::size_t i = 0; i < first.names.size(); ++i)
      std::copy(first[i].values().begin(), first[i].values().end(), second[i].values().begin());
    CHECK(b.steps() == 2);
    c.steps(b.steps());
    for (int i = 0; i < 3; ++i) c.step(ctx, 0.01);
    CHECK(c.steps() == 5);
    CHECK(whole.numbers() == second.numbers());
  };
  continues(adamw{});
  continues(sgd{.momentum = 0.9, .dampening = 0.5});
  continues(lion{});
  continues(muon{});
}

TEST_CASE("optimizer: the biases of experts count as vectors") {
  context<cpu> ctx({.threads = 1});
  follow::some_parameters<double> model;
  model.add(ctx, "bias", parameter<double>({2, 2}, {.per_expert = true}), {2, 2, 2, 2});
  model.add(ctx, "weight", parameter<double>({2, 2}), {2, 2, 2, 2});
  model.add(ctx, "experts", parameter<double>({1, 2, 2}, {.per_expert = true}), {2, 2, 2, 2});
  optimizer<adamw, double> opt(ctx, parameter_list<double>(model), {.weight_decay = {.value = 1}});
  opt.step(ctx, 0.5);
  CHECK(model.numbers() == std::vector<double>{2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1});
}

TEST_CASE("optimizer: errors, before anything has changed") {
  context<cpu> ctx({.threads = 1});
  follow::some_parameters<float> model;
  follow::set_gradient(model.add(ctx, "x", parameter<float>({2}), {1, 2}),
                       std::vector<float>{1, 1});
  optimizer<adamw> opt(ctx, parameter_list<float>(model));
  const double nan = std::numeric_limits<double>::quiet_NaN(),
               inf = std::numeric_limits<double>::infinity();
  opt.step(ctx, 0);
  CHECK(mentions(message_of([&] { opt.step(ctx, nan); }), "the rate of step 2 is nan"));
  CHECK(mentions(message_of([&] { opt.step(ctx, -0.1); }), "the rate of step 2 is -0.1"));
  CHECK(mentions(message_of([&] { opt.step(ctx, 0.1, inf); }),
                 "the gradient scale of step 2 is inf"));
  CHECK(mentions(message_of([&] { opt.steps(-1); }), "-1 steps"));
  CHECK(opt.steps() == 1);
  CHECK(model.numbers() == std::vector<float>{1, 2});
  model[0].allocate(ctx.memory(), false);
  CHECK(mentions(message_of([&] { optimizer<adamw> other(ctx, parameter_list<float>(model)); }),
                 "parameter x has no gradient"));
  struct greedy : plain_descent {
    static constexpr int states(std::string_view, int) { return 3; }
  };
  follow::some_parameters<float> trained;
  trained.add(ctx, "y", parameter<float>({1}), {1});
  CHECK(mentions(message_of([&] { optimizer<greedy> other(ctx, parameter_list<float>(trained)); }),
                 "wants 3 states for parameter y"));
}

TEST_CASE("optimizer: no parameters") {
  context<cpu> ctx({.threads = 2});
  follow::some_parameters<float> model;
  const parameter_list<float> list(model);
  optimizer<adamw> a(ctx, list);
  optimizer<muon> b(ctx, list);
  CHECK_NOTHROW(a.step(ctx, 0.1));
  CHECK_NOTHROW(b.step(ctx, 0.1));
}
