// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Products with coded weights: one token is bound by reading them, many by multiply-adds.

#include <dsr1/quant/encode.hpp>

#include "ops/harness.hpp"

namespace bench {

namespace {

/// The codes of one matrix, again and again, in memory of their own.
coded_tensor weights(coding type, index_t matrices, index_t rows, index_t columns) {
  const auto w = random_numbers(rows * columns);
  const coded_tensor one = encode(type, view<const float, 2>(w.as(rows, columns)));
  encoded all(type, matrices, rows, columns);
  for (index_t m = 0; m < matrices; ++m) {
    std::copy_n(one.parts[0].codes, rows * one.row_bytes(), all.codes(m, 0));
    if (one.parts[0].scales)
      std::copy_n(one.parts[0].scales, one.bytes() - rows * one.row_bytes(), all.scales(m, 0));
  }
  return all.tensor();
}

/// Every expert of a mixture-of-experts layer, eight of 128 at a time, sees one token: no call
/// finds its weights in a cache.
void one_token(benchmark::State& state, context_type& ctx, coding type) {
  constexpr index_t experts = 128, at_a_time = 8, rows = 1024, columns = 768;
  const coded_tensor w = weights(type, experts, rows, columns);
  const tensor x(at_a_time, columns);
  tensor y(at_a_time, rows);
  std::vector<index_t> ends(experts);
  index_t first = 0;
  const double bytes = static_cast<double>(w.bytes()) * at_a_time / experts;
  measure(state, ctx, {.bytes = bytes}, [&] {
    for (index_t e = 0; e < experts; ++e)
      ends[static_cast<std::size_t>(e)] = std::clamp<index_t>(e - first + 1, 0, at_a_time);
    first = (first + at_a_time) % experts;
    ctx.workspace().reset();
    cpu::coded_matmul(ctx, x.in(), row_groups(ends), w, y.out(), view<const float, 2>());
  });
}

/// 128 experts with `tokens` tokens each, or one matrix with all of them.
void many_tokens(benchmark::State& state, context_type& ctx, coding type, index_t experts,
                 index_t tokens) {
  constexpr index_t rows = 1024, columns = 768;
  const coded_tensor w = weights(type, experts, rows, columns);
  const tensor x(experts * tokens, columns);
  tensor y(experts * tokens, rows);
  std::vector<index_t> ends;
  for (index_t e = 1; e <= experts; ++e) ends.push_back(e * tokens);
  measure(state, ctx, {.flop = 2 * product({experts, tokens, rows, columns})}, [&] {
    ctx.workspace().reset();
    cpu::coded_matmul(ctx, x.in(), row_groups(ends), w, y.out(), view<const float, 2>());
  });
}

void encoding(benchmark::State& state, context_type& ctx, coding type) {
  const tensor w(1024, 1024);
  measure(state, ctx, {.bytes = w.bytes()},
          [&] { benchmark::DoNotOptimize(encode(type, w.in()).parts.data()); });
}

void add_products(const std::string& name, coding type, activation_type activations) {
  const auto add_one = [&](const std::string& work, auto f) {
    add(name + work, [=](benchmark::State& state) {
      context_type ctx({.threads = static_cast<int>(state.range(0)), .activations = activations});
      f(state, ctx);
    });
  };
  add_one("/one_token", [=](auto& s, auto& c) { one_token(s, c, type); });
  add_one("/16_tokens_128_experts", [=](auto& s, auto& c) { many_tokens(s, c, type, 128, 16); });
  add_one("/512_tokens", [=](auto& s, auto& c) { many_tokens(s, c, type, 1, 512); });
}

}  // namespace

void add_quant() {
  for (const coding_info& info : codings) {
    const std::string name(info.name);
    const coding type = info.type;
    add_products("quant/" + name, type, activation_type::exact);
    if (simd::in_whole_numbers(type))
      add_products("quant/" + name + "_int8_activations", type, activation_type::int8);
    add("quant/" + name + "/encode", [=](benchmark::State& state) {
      context_type ctx({.threads = 1});
      encoding(state, ctx, type);
    });
  }
}

}  // namespace bench
