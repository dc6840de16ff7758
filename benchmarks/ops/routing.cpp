// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Routing: gates, statistics, sorting by expert, and the rows that move there and back.

#include <dsr1/moe.hpp>

#include "ops/harness.hpp"

namespace bench {

namespace {

constexpr index_t tokens = 8192, experts = 128, top_k = 4, dim = 256;

template <class Gate>
void gate(benchmark::State& state, context_type& ctx, Gate policy, bool backward) {
  tensor logits(tokens, experts), bias(1, experts), weight(tokens, top_k);
  tensor dweight(tokens, top_k, 3), dlogits(tokens, experts);
  buffer<std::int32_t> index(tokens * top_k);
  const auto chosen = index.as(tokens, top_k);
  const auto forward = [&] {
    cpu::route(ctx, policy, logits.in(), bias.in().flat(), chosen, weight.out());
  };
  forward();
  measure(state, ctx, {.bytes = logits.bytes() * (backward ? 2 : 1)}, [&] {
    if (!backward) return forward();
    cpu::route_backward(ctx, policy, logits.in(), bias.in().flat(),
                        view<const std::int32_t, 2>(chosen), weight.in(), dweight.in(),
                        dlogits.out());
  });
  state.counters["ns/token"] =
      1e9 * (logits.bytes() * (backward ? 2 : 1)) * 1e-9 / state.counters["GB/s"].value / tokens;
}

template <class Gate>
void add_gate(const std::string& name, Gate policy) {
  add_with_context("routing/" + name, [=](auto& s, auto& c) { gate(s, c, policy, false); });
  add_with_context("routing/" + name + "_backward",
                   [=](auto& s, auto& c) { gate(s, c, policy, true); });
}

/// Choices of all tokens, sorted by expert.
struct plan {
  buffer<std::int32_t> index = choices(tokens, top_k, experts);
  buffer<std::int32_t> order{tokens * top_k}, slots{tokens * top_k};
  std::vector<index_t> ends = std::vector<index_t>(experts);

  view<const std::int32_t, 2> chosen() const { return index.as(tokens, top_k); }
  view<const std::int32_t, 2> table() const { return slots.as(tokens, top_k); }
  void sort(context_type& ctx) {
    cpu::sort_by_expert(ctx, chosen(), ends, order.as(tokens * top_k), slots.as(tokens, top_k));
  }
};

}  // namespace

void add_routing() {
  add_gate("softmax_gate", softmax_gate{});
  add_gate("top_k_softmax_gate", top_k_softmax_gate{});
  add_gate("sigmoid_gate", sigmoid_gate{});
  add_gate("sigmoid_gate_8_groups", sigmoid_gate{.scale = 2.5, .groups = 8, .top_groups = 4});
  add_with_context("routing/affinities", [](auto& state, auto& ctx) {
    tensor logits(tokens, experts), p(tokens, experts);
    measure(state, ctx, {.bytes = 2 * p.bytes()},
            [&] { cpu::affinities(ctx, softmax_gate{}, logits.in(), p.out()); });
  });
  add_with_context("routing/log_sum_exp", [](auto& state, auto& ctx) {
    tensor logits(tokens, experts), lse(1, tokens);
    measure(state, ctx, {.bytes = logits.bytes()},
            [&] { cpu::log_sum_exp(ctx, logits.in(), lse.out().flat()); });
  });
  add_with_context("routing/count_experts", [](auto& state, auto& ctx) {
    plan p;
    tensor counts(1, experts);
    const index_t ends[] = {tokens};
    measure(state, ctx, {.bytes = 4.0 * tokens * top_k}, [&] {
      cpu::count_experts(ctx, p.chosen(), row_groups(ends), counts.out(), accumulate::no);
    });
  });
  add_with_context("routing/sort_by_expert", [](auto& state, auto& ctx) {
    plan p;
    measure(state, ctx, {.bytes = 12.0 * tokens * top_k}, [&] { p.sort(ctx); });
  });
  add_with_context("routing/limit_capacity", [](auto& state, auto& ctx) {
    plan p;
    tensor weight(tokens, top_k);
    measure(state, ctx, {.bytes = 12.0 * tokens * top_k}, [&] {
      cpu::limit_capacity(ctx, p.chosen(), weight.in(), tokens * top_k / experts,
                          drop_rule::by_weight, p.slots.as(tokens, top_k));
    });
  });
  add_with_context("routing/dispatch", [](auto& state, auto& ctx) {
    plan p;
    p.sort(ctx);
    tensor x(tokens, dim), rows(tokens * top_k, dim);
    measure(state, ctx, {.bytes = x.bytes() + rows.bytes()},
            [&] { cpu::gather_rows(ctx, x.in(), p.order.as(tokens * top_k), rows.out()); });
  });
  add_with_context("routing/combine", [](auto& state, auto& ctx) {
    plan p;
    p.sort(ctx);
    tensor rows(tokens * top_k, dim), weight(tokens, top_k), y(tokens, dim);
    measure(state, ctx, {.bytes = y.bytes() + rows.bytes()},
            [&] { cpu::combine_rows(ctx, rows.in(), p.table(), weight.in(), y.out()); });
  });
  add_with_context("routing/combine_backward", [](auto& state, auto& ctx) {
    plan p;
    p.sort(ctx);
    tensor rows(tokens * top_k, dim), drows(tokens * top_k, dim), dy(tokens, dim);
    tensor weight(tokens, top_k), dweight(tokens, top_k);
    measure(state, ctx, {.bytes = dy.bytes() + 2 * rows.bytes()}, [&] {
      cpu::combine_rows_backward(ctx, dy.in(), rows.in(), p.table(), weight.in(), drows.out(),
                                 dweight.out());
    });
  });
}

}  // namespace bench
