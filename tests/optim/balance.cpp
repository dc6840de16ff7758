// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The update of balance biases from token counts.

#include <limits>

#include "optim/follow.hpp"

#include <dsr1/optim/balance.hpp>

using namespace dsr1;

namespace {

template <class T>
struct gate_bias : follow::some_parameters<T> {
  gate_bias(context<cpu>& ctx, const std::vector<T>& values, double rate = 0.001) {
    this->add(ctx, "layers.0.moe.balance",
              parameter<T>({static_cast<index_t>(values.size())},
                           {.update = update_rule::balance, .rate = rate}),
              values);
  }
  std::vector<T> after(context<cpu>& ctx, const std::vector<T>& counts,
                       const balance_options& options = {}) {
    (*this)[0].clear_gradient();
    follow::set_gradient((*this)[0], counts);
    update_balance(ctx, parameter_list<T>(*this), options);
    return this->numbers();
  }
};

}  // namespace

TEMPLATE_TEST_CASE(
    "balance: the bias of a busy expert falls, of an idle one rises, of an average one stays", "",
    float, double) {
  context<cpu> ctx({.threads = 1});
  gate_bias<TestType> gate(ctx, {0, 0.5, -1, 0}, 0.25);
  CHECK(gate.after(ctx, {10, 6, 2, 6}) == std::vector<TestType>{-0.25, 0.5, -0.75, 0});
  CHECK(gate.after(ctx, {0, 12, 6, 6}) == std::vector<TestType>{0, 0.25, -0.75, 0});
}

TEST_CASE("balance: counts whose mean is no whole number, and large ones") {
  context<cpu> ctx({.threads = 1});
  gate_bias<float> gate(ctx, {0, 0, 0}, 1);
  CHECK(gate.after(ctx, {1, 1, 2}) == std::vector<float>{1, 1, -1});
  gate_bias<float> even(ctx, std::vector<float>(3),
                        1);  // a rounded mean of thirds would not be equal
  CHECK(even.after(ctx, {7, 7, 7}) == std::vector<float>(3));
  gate_bias<float> large(ctx, std::vector<float>(7), 1);
  CHECK(large.after(ctx, std::vector<float>(7, 16'777'215)) == std::vector<float>(7));
}

TEST_CASE("balance: the rate can be multiplied, and the mean of the bias taken out") {
  context<cpu> ctx({.threads = 1});
  gate_bias<double> gate(ctx, {1, 2, 3, 6}, 0.5);
  CHECK(gate.after(ctx, {8, 0, 0, 0}, {.rate = 0}) == std::vector<double>{1, 2, 3, 6});
  CHECK(gate.after(ctx, {8, 0, 0, 0}, {.rate = 2}) == std::vector<double>{0, 3, 4, 7});
  CHECK(gate.after(ctx, {2, 2, 2, 2}, {.centre = true}) ==
        std::vector<double>{-3.5, -0.5, 0.5, 3.5});
}

TEST_CASE("balance: layers that saw no token, and parameters under other rules, stay") {
  context<cpu> ctx({.threads = 1});
  gate_bias<float> gate(ctx, {1, 2}, 1);
  CHECK(gate.after(ctx, {0, 0}, {.centre = true}) == std::vector<float>{1, 2});
  follow::set_gradient(gate[0], std::vector<float>{5, 0});
  gate[0].clear_gradient();  // nobody counted
  update_balance(ctx, parameter_list<float>(gate));
  CHECK(gate.numbers() == std::vector<float>{1, 2});
  follow::some_parameters<float> others;
  for (const update_rule rule : {update_rule::optimizer, update_rule::none})
    follow::set_gradient(others.add(ctx, "x", parameter<float>({2}, {.update = rule}), {1, 2}),
                         std::vector<float>{5, 0});
  update_balance(ctx, parameter_list<float>(others));
  CHECK(others.numbers() == std::vector<float>{1, 2, 1, 2});
}

TEST_CASE("balance: repeated updates even out a load that follows the bias") {
  context<cpu> ctx({.threads = 1});
  gate_bias<double> gate(ctx, {0, 0, 0, 0}, 0.01);
  const std::vector<double> taste = {0.3, 0.1, -0.1, -0.3};  // the router's own preference
  std::vector<double> counts(4);
  for (int step = 0; step < 300; ++step) {
    const auto bias = gate.numbers();
    for (std::size_t e = 0; e < 4; ++e)
      counts[e] = std::round(1000 * std::exp(4 * (taste[e] + bias[e])));
    gate.after(ctx, counts);
  }
  const auto [low, high] = std::minmax_element(counts.begin(), counts.end());
  CHECK(*high / *low < 1.2);
}

TEST_CASE("balance: counts that cannot be") {
  context<cpu> ctx({.threads = 1});
  gate_bias<float> gate(ctx, {1, 2});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(mentions(message_of([&] {
                   gate.after(ctx, {1, nan});
                 }),
                 "layers.0.moe.balance", "nan tokens"));
  CHECK(mentions(message_of([&] {
                   gate.after(ctx, {-1, 3});
                 }),
                 "layers.0.moe.balance", "-1 tokens"));
  CHECK(gate.numbers() == std::vector<float>{1, 2});
}
