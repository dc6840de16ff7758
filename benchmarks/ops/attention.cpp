// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Attention over one sequence: time by length, and the memory that it takes besides its operands.
//
// FLOP: 4 per visible pair, head and element forwards, twice that backwards (the scores that
// backward computes again do not count). us/token stays the same when cost grows linearly.
// Latent attention as a whole layer, with the bytes that it caches per token.
// memory = (inputs + outputs + workspace) / (inputs + outputs).

#include <dsr1/attention.hpp>
#include <dsr1/nn/initialize.hpp>

#include "ops/harness.hpp"

namespace bench {

namespace {

constexpr index_t heads = 8, kv_heads = 2, head_dim = 32;

struct operands {
  index_t tokens;
  attention_extents e;
  tensor qkv, y, lse, sinks, dy, dqkv, dsinks;
  sequence_layout sequences;

  operands(index_t n, index_t window)
      : tokens(n),
        e{.heads = heads,
          .kv_heads = kv_heads,
          .head_dim = head_dim,
          .window = window,
          .scale = 0.177},
        qkv(n, (heads + 2 * kv_heads) * head_dim),
        y(n, heads * head_dim),
        lse(n, heads),
        sinks(1, heads),
        dy(n, heads * head_dim, 2),
        dqkv(n, (heads + 2 * kv_heads) * head_dim),
        dsinks(1, heads),
        sequences(n) {}

  static auto part(const auto& all, int i) {  // q, k, v
    const index_t q = heads * head_dim, kv = kv_heads * head_dim;
    return all.slice_columns(i == 0 ? 0 : q + (i - 1) * kv, i == 0 ? q : kv);
  }
  double flop() const {
    double pairs = 0;
    for (index_t i = 0; i < tokens; ++i)
      pairs += static_cast<double>(e.window > 0 ? std::min(i + 1, e.window) : i + 1);
    return 4 * pairs * product({heads, head_dim});
  }
  void forward(context_type& ctx) {
    cpu::attention(ctx, e, part(qkv.in(), 0),
                   key_values<float>{part(qkv.in(), 1), part(qkv.in(), 2), 0}, sinks.in().flat(),
                   sequences, y.out(), lse.out());
  }
  void backward(context_type& ctx) {
    cpu::attention_backward(
        ctx, e, part(qkv.in(), 0), key_values<float>{part(qkv.in(), 1), part(qkv.in(), 2), 0},
        sinks.in().flat(), sequences, y.in(), lse.in(), dy.in(), part(dqkv.out(), 0),
        part(dqkv.out(), 1), part(dqkv.out(), 2), dsinks.out().flat(), accumulate::no);
  }
};

void report(benchmark::State& state, context_type& ctx, const operands& o, double bytes,
            double seconds_per_call) {
  const double extra = static_cast<double>(ctx.workspace().peak_bytes());
  state.counters["us/token"] = 1e6 * seconds_per_call / static_cast<double>(o.tokens);
  state.counters["workspace_KiB"] = extra / 1024;
  state.counters["memory"] = (bytes + extra) / bytes;
}

double seconds_per_call(const benchmark::State& state, double flop) {
  return flop * 1e-9 / state.counters.at("GFLOP/s").value;
}

void run(benchmark::State& state, context_type& ctx, index_t tokens, index_t window,
         bool backward) {
  operands o(tokens, window);
  o.forward(ctx);
  const double flop = o.flop() * (backward ? 2 : 1);
  measure(state, ctx, {.flop = flop}, [&] { backward ? o.backward(ctx) : o.forward(ctx); });
  const double bytes =
      o.qkv.bytes() + o.y.bytes() + o.lse.bytes() + (backward ? o.dy.bytes() + o.dqkv.bytes() : 0);
  report(state, ctx, o, bytes, seconds_per_call(state, flop));
}

/// Latent attention with the sizes of DeepSeek-V2-Lite.
constexpr latent_shape latent{.dim = 2048,
                              .heads = 16,
                              .q_rank = 0,
                              .kv_rank = 512,
                              .plain_dim = 128,
                              .rope_dim = 64,
                              .value_dim = 128};
using latent_layer = latent_attention<latent>;

/// One token after `depth` others; the next call takes it back. Weights and cache must be read.
void decode_latent(benchmark::State& state, context_type& ctx, latent_form form, index_t depth) {
  latent_layer layer(latent, {.form = form});
  initialize(ctx, layer, false);
  latent_layer::saved s;
  const index_t chunk = 512;
  layer.open_cache(ctx, s, cache_options{.capacity = depth + 1, .chunk = chunk});
  const tensor x(chunk, latent.dim);
  const auto feed = [&](index_t count, index_t position) {
    ctx.workspace().reset();
    const sequence one{.begin = 0, .length = count, .position = position};
    benchmark::DoNotOptimize(
        layer.forward(ctx, {x.in().slice_rows(0, count), sequence_layout({&one, 1})}, s));
  };
  for (index_t at = 0; at < depth; at += chunk) feed(std::min(chunk, depth - at), at);
  const auto numbers = static_cast<double>(latent.parameters() + latent.cached(form, depth + 1));
  measure(state, ctx, {.bytes = 4 * numbers}, [&] { feed(1, depth); });
  state.counters["cache_B/token"] = 4 * static_cast<double>(latent.cached(form, 1));
}

void prefill_latent(benchmark::State& state, context_type& ctx, latent_form form, index_t tokens) {
  latent_layer layer(latent, {.form = form});
  initialize(ctx, layer, false);
  const tensor x(tokens, latent.dim);
  latent_layer::saved s;
  const double pairs = product({tokens, tokens + 1}) / 2;  // FLOP as the naive form has them
  const double flop = 2 * product({tokens, latent.parameters()}) +
                      2 * pairs * product({latent.heads, latent.head_dim() + latent.value_dim});
  measure(state, ctx, {.flop = flop}, [&] {
    ctx.workspace().reset();
    benchmark::DoNotOptimize(layer.forward(ctx, x.in(), s));
  });
  state.counters["cache_B/token"] = 4 * static_cast<double>(latent.cached(form, 1));
}

}  // namespace

void add_attention() {
  for (const index_t tokens : {1024, 2048, 4096, 8192, 16'384})
    for (const bool backward : {false, true})
      add_with_context(
          "attention/window_128/" + std::to_string(tokens) + (backward ? "/backward" : "/forward"),
          [=](auto& s, auto& c) { run(s, c, tokens, 128, backward); });
  for (const index_t tokens : {1024, 4096})
    for (const bool backward : {false, true})
      add_with_context(
          "attention/full/" + std::to_string(tokens) + (backward ? "/backward" : "/forward"),
          [=](auto& s, auto& c) { run(s, c, tokens, 0, backward); });
  for (const auto layout : {rope_layout::half_split, rope_layout::interleaved})
    add_with_context(layout == rope_layout::half_split ? "attention/rotate_half_split"
                                                       : "attention/rotate_interleaved",
                     [=](auto& state, auto& ctx) {
                       tensor x(65'536, heads * 64);
                       rope<float> turn(64, {.layout = layout});
                       std::vector<sequence> rows;
                       for (index_t i = 0; i < 128; ++i)
                         rows.push_back({.begin = 512 * i, .length = 512});
                       measure(state, ctx, {.bytes = 2 * x.bytes()},
                               [&] { turn.apply(ctx, x.out(), sequence_layout(rows)); });
                     });
  for (const auto form : {latent_form::naive, latent_form::absorbed}) {
    const std::string end = form == latent_form::naive ? "_naive" : "_absorbed";
    add_with_context("attention/latent/decode_2048" + end,
                     [=](auto& s, auto& c) { decode_latent(s, c, form, 2048); });
    add_with_context("attention/latent/prefill_1024" + end,
                     [=](auto& s, auto& c) { prefill_latent(s, c, form, 1024); });
  }
  add_with_context("attention/store_cache", [](auto& state, auto& ctx) {
    tensor x(65'536, 512), cache(65'536, 512);
    std::vector<sequence> rows;
    for (index_t i = 0; i < 16; ++i)
      rows.push_back({.begin = 4096 * i, .length = 4096, .position = 100, .slot = i});
    measure(state, ctx, {.bytes = 2 * x.bytes()},
            [&] { cpu::store_cache(ctx, x.in(), sequence_layout(rows), 4096, cache.out()); });
  });
}

}  // namespace bench
