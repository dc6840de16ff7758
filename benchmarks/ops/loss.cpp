// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Cross-entropy, and what policy optimization asks: of rows of logits, and of a head in chunks of
// tokens.

#include <dsr1/loss.hpp>
#include <dsr1/nn/initialize.hpp>
#include <dsr1/nn/linear.hpp>

#include "ops/harness.hpp"

namespace bench {

namespace {

/// The whole loss of a head: `workspace_MiB` says what exists at one time, `logits_MiB` what would.
void head(benchmark::State& state, context_type& ctx, index_t tokens, index_t dim, index_t vocab,
          bool backward) {
  linear<> layer({.in = dim, .out = vocab});
  initialize(ctx, layer);
  tensor h(tokens, dim), dh(tokens, dim);
  const auto targets = choices(tokens, 1, vocab);
  const cross_entropy<float> loss;
  const double flop = 2 * product({tokens, dim, vocab}) * (backward ? 3 : 1);
  measure(state, ctx, {.flop = flop}, [&] {
    clear_gradients(layer);
    const view<const std::int32_t, 1> ids = targets.as(tokens);
    if (backward)
      loss.forward_backward(ctx, h.in(), layer.weight(), ids, 1.0, dh.out());
    else
      benchmark::DoNotOptimize(loss.forward(ctx, h.in(), layer.weight(), ids));
  });
  state.counters["workspace_MiB"] = static_cast<double>(ctx.workspace().peak_bytes()) / (1 << 20);
  state.counters["logits_MiB"] = 4 * product({tokens, vocab}) / (1 << 20);
}

/// Log-probability, entropy and, against a reference, the exact divergence; the same backwards.
void policy_rows(benchmark::State& state, context_type& ctx, bool reference, bool gradient) {
  constexpr index_t rows = 4096, vocab = 4096;
  tensor logits(rows, vocab), other(reference ? rows : 0, vocab, 2), out(3, rows);
  const auto actions = choices(rows, 1, vocab);
  const view<const std::int32_t, 1> ids = actions.as(rows);
  const view<float, 2> r = out.out();
  const double bytes = logits.bytes() * (gradient ? 2 : 1) + other.bytes();
  measure(state, ctx, {.bytes = bytes}, [&] {
    if (gradient)
      cpu::policy_gradient_rows(ctx, logits.out(), other.in(), ids, 1.0, out.in()[0], out.in()[1],
                                out.in()[2]);
    else
      cpu::policy_rows(ctx, logits.in(), other.in(), ids, 1.0, r[0], r[1], r[2]);
  });
}

/// The policy's head with a reference of the same size: two products forward, four backward.
void policy(benchmark::State& state, context_type& ctx, index_t tokens, index_t dim, index_t vocab,
            bool backward) {
  linear<> layer({.in = dim, .out = vocab}), frozen({.in = dim, .out = vocab});
  initialize(ctx, layer);
  initialize(ctx, frozen, false);
  tensor h(tokens, dim), other(tokens, dim, 2), dh(tokens, dim);
  const auto actions = choices(tokens, 1, vocab);
  const view<const std::int32_t, 1> ids = actions.as(tokens);
  const reference_states<float> reference = {other.in(), &frozen.weight()};
  const std::vector<double> slope(static_cast<std::size_t>(tokens), 0.5);
  const policy_head<float> head;
  measure(state, ctx, {.flop = 2 * product({tokens, dim, vocab}) * (backward ? 4 : 2)}, [&] {
    clear_gradients(layer);
    if (backward)
      head.backward(ctx, h.in(), layer.weight(), ids, &reference, slope, slope, slope, dh.out());
    else
      benchmark::DoNotOptimize(head.forward(ctx, h.in(), layer.weight(), ids, &reference));
  });
  state.counters["workspace_MiB"] = static_cast<double>(ctx.workspace().peak_bytes()) / (1 << 20);
}

}  // namespace

void add_loss() {
  for (const bool reference : {false, true})
    for (const bool gradient : {false, true})
      add_with_context(std::string("policy/rows") + (reference ? "_with_reference" : "") +
                           (gradient ? "_gradient" : ""),
                       [=](auto& s, auto& c) { policy_rows(s, c, reference, gradient); });
  for (const bool backward : {false, true})
    add_with_context(backward ? "policy/head_32768_backward" : "policy/head_32768",
                     [=](auto& s, auto& c) { policy(s, c, 2048, 256, 32'768, backward); });
  for (const bool gradient : {false, true})
    add_with_context(
        gradient ? "loss/rows_with_gradient" : "loss/rows", [=](auto& state, auto& ctx) {
          tensor logits(4096, 4096), loss(1, 4096);
          const auto targets = choices(4096, 1, 4096);
          measure(state, ctx, {.bytes = logits.bytes() * (gradient ? 2 : 1)}, [&] {
            cpu::cross_entropy_rows(ctx, logits.out(), targets.as(4096), 1.0, 0.0,
                                    gradient ? logits_become::gradient : logits_become::undefined,
                                    loss.out().flat());
          });
        });
  for (const bool backward : {false, true}) {
    const std::string end = backward ? "_with_gradient" : "";
    add_with_context("loss/head_4096" + end,
                     [=](auto& s, auto& c) { head(s, c, 2048, 256, 4096, backward); });
    add_with_context("loss/head_32768" + end,
                     [=](auto& s, auto& c) { head(s, c, 2048, 256, 32'768, backward); });
  }
  add_with_context("loss/head_200000_with_gradient",
                   [](auto& s, auto& c) { head(s, c, 1024, 256, 200'000, true); });
}

}  // namespace bench
