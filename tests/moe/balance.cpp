// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Balance losses against their formulas; gradients are checked through the layer in moe.cpp.

#include <cmath>
#include <vector>

#include "battery/context.hpp"
#include "golden.hpp"

#include <dsr1/moe/balance.hpp>
#include <dsr1/moe/gate.hpp>

using namespace dsr1;

namespace {

struct batch {
  index_t tokens, experts, k;
  std::vector<double> logits;
  std::vector<std::int32_t> index;
  std::vector<double> weight;

  template <class Gate>
  batch(context<cpu>& ctx, const Gate& gate, index_t t, index_t e, index_t top, std::uint64_t seed)
      : tokens(t),
        experts(e),
        k(top),
        logits(battery::normals<double>(t * e, seed)),
        index(static_cast<std::size_t>(t * top)),
        weight(static_cast<std::size_t>(t * top)) {
    cpu::route(ctx, gate, view<const double, 2>(logits.data(), t, e), view<const double, 1>(),
               view<std::int32_t, 2>(index.data(), t, top), view<double, 2>(weight.data(), t, top));
  }
  balance_input<double> input(sequence_layout s) const {
    return {view<const double, 2>(logits.data(), tokens, experts),
            view<const std::int32_t, 2>(index.data(), tokens, k), s};
  }
  double chosen(index_t from, index_t to, index_t e) const {
    double n = 0;
    for (index_t i = from * k; i < to * k; ++i) n += index[static_cast<std::size_t>(i)] == e;
    return n;
  }
};

template <class Policy, class Gate>
double loss(context<cpu>& ctx, const Policy& policy, const Gate& gate, const batch& b,
            sequence_layout s) {
  typename Policy::template saved<double> saved;
  return policy.forward(ctx, gate, b.input(s), saved);
}

}  // namespace

TEST_CASE("switch_loss: E sum f P, 1 in perfect balance") {
  context<cpu> ctx({.threads = 2});
  const softmax_gate gate;
  const batch b(ctx, gate, 40, 8, 2, 3);
  double expected = 0;
  for (index_t e = 0; e < 8; ++e) {
    double p = 0;
    for (index_t t = 0; t < 40; ++t) {
      double sum = 0;
      for (index_t i = 0; i < 8; ++i)
        sum += std::exp(b.logits[static_cast<std::size_t>(t * 8 + i)]);
      p += std::exp(b.logits[static_cast<std::size_t>(t * 8 + e)]) / sum / 40;
    }
    expected += 8 * b.chosen(0, 40, e) / (40 * 2) * p;
  }
  CHECK(loss(ctx, switch_loss{.coefficient = 1}, gate, b, sequence_layout(40)) == Approx(expected));
  CHECK(loss(ctx, switch_loss{.coefficient = 1, .divide_by_k = false}, gate, b,
             sequence_layout(40)) == Approx(2 * expected));

  batch even(ctx, gate, 4, 4, 1, 1);  // token t likes expert t
  for (index_t i = 0; i < 16; ++i)
    even.logits[static_cast<std::size_t>(i)] = i / 4 == i % 4 ? 1 : 0;
  for (index_t t = 0; t < 4; ++t)
    even.index[static_cast<std::size_t>(t)] = static_cast<std::int32_t>(t);
  CHECK(loss(ctx, switch_loss{.coefficient = 1}, gate, even, sequence_layout(4)) == Approx(1));
}

TEST_CASE("sequence_loss: mean over sequences of sum f P with normalised sigmoid scores") {
  context<cpu> ctx({.threads = 2});
  const sigmoid_gate gate;
  const batch b(ctx, gate, 30, 6, 2, 5);
  const sequence parts[] = {{.begin = 0, .length = 12}, {.begin = 12, .length = 18}};
  double expected = 0;
  for (const sequence& s : parts)
    for (index_t e = 0; e < 6; ++e) {
      double p = 0;
      for (index_t t = s.begin; t < s.begin + s.length; ++t) {
        double sum = 0;
        for (index_t i = 0; i < 6; ++i)
          sum += 1 / (1 + std::exp(-b.logits[static_cast<std::size_t>(t * 6 + i)]));
        p += 1 / (1 + std::exp(-b.logits[static_cast<std::size_t>(t * 6 + e)])) / sum;
      }
      const auto n = static_cast<double>(s.length);
      expected += 6 / (2 * n) * b.chosen(s.begin, s.begin + s.length, e) * p / n / 2;
    }
  CHECK(loss(ctx, sequence_loss{.coefficient = 1}, gate, b, sequence_layout(parts)) ==
        Approx(expected));
}

TEST_CASE("router_z_loss: mean of the squared log-sum-exp") {
  context<cpu> ctx({.threads = 2});
  const top_k_softmax_gate gate;
  const batch b(ctx, gate, 9, 5, 2, 6);
  double expected = 0;
  for (index_t t = 0; t < 9; ++t) {
    double sum = 0;
    for (index_t i = 0; i < 5; ++i) sum += std::exp(b.logits[static_cast<std::size_t>(t * 5 + i)]);
    expected += std::log(sum) * std::log(sum) / 9;
  }
  CHECK(loss(ctx, router_z_loss{.coefficient = 1}, gate, b, sequence_layout(9)) ==
        Approx(expected));
}

TEST_CASE("balance_with: the losses add, one policy moves the bias") {
  context<cpu> ctx({.threads = 2});
  const sigmoid_gate gate;
  const batch b(ctx, gate, 9, 5, 2, 7);
  const balance_with both(bias_balance(2e-3), sequence_loss{0.5}, router_z_loss{0.1});
  CHECK(both.bias_rate() == 2e-3);
  CHECK(no_balance().bias_rate() == 0);
  CHECK(loss(ctx, both, gate, b, sequence_layout(9)) ==
        Approx(loss(ctx, sequence_loss{0.5}, gate, b, sequence_layout(9)) +
               loss(ctx, router_z_loss{0.1}, gate, b, sequence_layout(9))));
}

TEST_CASE("golden: the balance loss of transformers and its gradient", "[golden]") {
  // Theirs runs over the tokens of all layers together, so all layers make one call here.
  context<cpu> ctx({.threads = 2});
  const softmax_gate gate;
  for (const char* name : {"mixtral", "qwen3_moe"}) {
    const auto path = golden::path(text("models/", name, "/golden.safetensors"));
    if (path.empty()) continue;
    INFO(name);
    const safetensors file(path);
    std::vector<double> logits, slopes;
    std::vector<std::int32_t> index;
    const auto join = [](auto& to, const std::vector<double>& more) {
      for (const double v : more) to.push_back(static_cast<std::decay_t<decltype(to[0])>>(v));
    };
    const auto& layer = file.at("router_logits.0").shape;
    const index_t experts = layer[1], k = file.at("topk_index.0").shape[1];
    for (index_t i = 0; file.tensors().contains(text("router_logits.", i)); ++i) {
      join(logits, golden::numbers(file, text("router_logits.", i)));
      join(index, golden::numbers(file, text("topk_index.", i)));
      slopes = golden::numbers(file, text("aux.grad_logits.", i));
    }
    const index_t tokens = static_cast<index_t>(logits.size()) / experts;
    const balance_input<double> in{view<const double, 2>(logits.data(), tokens, experts),
                                   view<const std::int32_t, 2>(index.data(), tokens, k),
                                   sequence_layout(tokens)};
    const switch_loss policy{.coefficient = 1, .divide_by_k = false};
    switch_loss::saved<double> saved;
    CHECK(policy.forward(ctx, gate, in, saved) ==
          Approx(golden::numbers(file, "aux.loss")[0]).epsilon(1e-6));
    std::vector<double> dlogits(logits.size());
    policy.backward(ctx, gate, in, saved, 1, view<double, 2>(dlogits.data(), tokens, experts));
    // Those of the last layer alone: the others' in the file also count what they do to later
    // layers' routers.
    REQUIRE(slopes.size() < dlogits.size());
    const double* last = dlogits.data() + dlogits.size() - slopes.size();
    double worst = 0;
    for (std::size_t i = 0; i < slopes.size(); ++i)
      worst = std::max(worst, std::abs(last[i] - slopes[i]));
    CHECK(worst < 1e-7);
  }
}
