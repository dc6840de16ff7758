// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Balance metrics and the layer x expert matrix.

#include <vector>

#include "catch.hpp"

#include <dsr1/cpu/cpu.hpp>
#include <dsr1/moe/metrics.hpp>
#include <dsr1/moe/moe.hpp>
#include <dsr1/nn/initialize.hpp>
#include <dsr1/nn/repeat.hpp>

using namespace dsr1;

namespace {
balance_metrics of(std::vector<double> counts) {
  return balance_of(std::span<const double>(counts));
}
}  // namespace

TEST_CASE("balance_of: perfect balance") {
  const auto m = of({5, 5, 5, 5});
  CHECK(m.max_violation == Approx(0).margin(1e-15));
  CHECK(m.utilisation == Approx(1));
  CHECK(m.entropy == Approx(1));
  CHECK(m.dead == 0);
}

TEST_CASE("balance_of: one expert does all") {
  const auto m = of({0, 12, 0});
  CHECK(m.max_violation == Approx(2));
  CHECK(m.utilisation == Approx(1.0 / 3));
  CHECK(m.entropy == Approx(0).margin(1e-15));
  CHECK(m.dead == 2);
}

TEST_CASE("balance_of: the published example, MaxVio 0.72 is 58 % utilisation") {
  const auto m = of({1.72, 0.64, 0.64});
  CHECK(m.max_violation == Approx(0.72));
  CHECK(m.utilisation == Approx(1 / 1.72));
}

TEST_CASE("balance_of: no tokens, one expert, no experts") {
  CHECK(of({0, 0}).max_violation == 0);
  CHECK(of({3}).entropy == 1);
  CHECK(mentions(message_of([] { of({}); }), "no experts"));
}

TEST_CASE("collect_load: counts of every layer, over several batches") {
  constexpr moe_shape shape{.dim = 4, .hidden = 3, .experts = 6, .top_k = 2};
  using layers = repeat<moe<shape, softmax_gate, no_balance>, 3>;
  context<cpu> ctx({.threads = 1});
  layers net;
  initialize(ctx, net);
  load_matrix total;
  layers::saved saved;
  for (int batch = 0; batch < 2; ++batch) {
    ctx.workspace().reset();
    const auto x = ctx.take<float>(5, 4);
    for (index_t i = 0; i < x.size(); ++i) x.data[i] = static_cast<float>(i % 7) - 3;
    const auto y = net.forward(ctx, x, saved);
    net.backward(ctx, view<const float, 2>(y), saved);
  }
  collect_load(ctx, net, total);
  CHECK(total.layers == std::vector<std::string>{"0.balance", "1.balance", "2.balance"});
  for (index_t l = 0; l < 3; ++l) {
    double sum = 0, relative = 0;
    for (const double c : total.row(l)) sum += c;
    for (index_t e = 0; e < 6; ++e) relative += total.relative(l, e);
    CHECK(sum == 2 * 5 * 2);  // batches x tokens x top_k
    CHECK(relative == Approx(6));
  }
  CHECK(total.max_violation() > 0);
  clear_gradients(net);
  collect_load(ctx, net, total);  // nothing new
  double sum = 0;
  for (const double c : total.row(0)) sum += c;
  CHECK(sum == 20);
}
