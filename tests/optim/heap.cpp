// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A warm step of every optimizer takes nothing from the heap: counted at operator new.

#include "optim/follow.hpp"
#include "tensor/heap_count.hpp"

#include <dsr1/optim/balance.hpp>
#include <dsr1/optim/clip.hpp>
#include <dsr1/optim/lion.hpp>
#include <dsr1/optim/muon.hpp>
#include <dsr1/optim/schedule.hpp>
#include <dsr1/optim/sgd.hpp>

using namespace dsr1;

namespace {

template <class Policy>
long heap_of_warm_steps(Policy policy) {
  context<cpu> ctx({.threads = 2});
  follow::some_parameters<float> model;
  const auto add = [&](const std::string& name, parameter<float> p) {
    const index_t n = p.size();
    follow::set_gradient(model.add(ctx, name, std::move(p), battery::normals<float>(n, 1)),
                         battery::normals<float>(n, 2));
  };
  add("a parameter with a long name.weight", parameter<float>({200, 300}));
  add("norm", parameter<float>({300}));
  add("experts", parameter<float>({70, 20, 30}, {.per_expert = true}));
  add("layers.0.balance", parameter<float>({8}, {.update = update_rule::balance}));
  std::fill_n(model[3].gradients().begin(), 8, 1.0f);
  const parameter_list<float> list(model);
  optimizer<Policy> opt(ctx, list, policy);
  const schedule rate{.warmup = 2, .total = 100};
  const auto step = [&] {
    ctx.workspace().reset();
    opt.step(ctx, rate(opt.steps()), clip_factor(global_norm(ctx, list, opt.steps()), 1));
    update_balance(ctx, list);
  };
  for (int i = 0; i < 2; ++i) step();
  const long warm = heap_count;
  for (int i = 0; i < 20; ++i) step();
  return heap_count - warm;
}

}  // namespace

TEST_CASE("optimizer: a warm step asks the heap for nothing") {
  const long before = heap_count;
  { const std::vector<int> some(10); }
  REQUIRE(heap_count > before);  // the counter works
  CHECK(heap_of_warm_steps(adamw{}) == 0);
  CHECK(heap_of_warm_steps(sgd{.momentum = 0.9}) == 0);
  CHECK(heap_of_warm_steps(lion{}) == 0);
  CHECK(heap_of_warm_steps(muon{}) == 0);
}
