// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Layers as a model holds them, forward alone and forward with backward, at the sizes of `seed`:
// 2,048 tokens in four sequences, width 256, 128 experts of 128, four of them for a token.

#include <dsr1/attention.hpp>
#include <dsr1/moe.hpp>
#include <dsr1/nn.hpp>

#include "ops/harness.hpp"

namespace bench {

namespace {

constexpr index_t tokens = 2048, dim = 256, vocab = 4096;
constexpr moe_shape experts{.dim = dim, .hidden = 128, .experts = 128, .top_k = 4};
constexpr attention_shape near{
    .dim = dim, .heads = 8, .kv_heads = 2, .head_dim = 32, .window = 128, .sinks = true};
constexpr attention_shape far{.dim = dim, .heads = 8, .kv_heads = 2, .head_dim = 32, .sinks = true};

/// Multiply-adds of the attention over the visible keys, forwards, per layer.
double attention_flop(const attention_shape& s) {
  constexpr index_t length = tokens / 4;
  double pairs = 0;
  for (index_t i = 0; i < length; ++i)
    pairs += static_cast<double>(s.window > 0 ? std::min(i + 1, s.window) : i + 1);
  return 4 * 4 * pairs * product({s.heads, s.head_dim});
}
double flop_of(const attention_shape& s) {
  return 2 * product({tokens, s.parameters()}) + attention_flop(s);
}

/// `forward` in FLOP or in bytes; backward is twice that.
template <class Layer>
void run(benchmark::State& state, context_type& ctx, Layer& layer, work forward, bool backward) {
  initialize(ctx, layer);
  tensor x(tokens, dim), dy(tokens, dim, 2);
  std::vector<sequence> rows;
  for (index_t i = 0; i < 4; ++i) rows.push_back({.begin = i * tokens / 4, .length = tokens / 4});
  const activations<float> in(x.in(), sequence_layout(rows));
  typename Layer::saved saved;
  const double times = backward ? 3 : 1;
  measure(state, ctx, {.flop = times * forward.flop, .bytes = times * forward.bytes}, [&] {
    ctx.workspace().reset();
    layer.forward(ctx, in, saved);
    if (!backward) return;
    clear_gradients(layer);
    layer.backward(ctx, dy.in(), saved);
  });
  state.counters["workspace_MiB"] = static_cast<double>(ctx.workspace().peak_bytes()) / (1 << 20);
}

template <class Make>
void add_layer(const std::string& name, work forward, Make make) {
  for (const bool backward : {false, true})
    add_with_context("layer/" + name + (backward ? "/train" : "/forward"), [=](auto& s, auto& c) {
      auto layer = make();
      run(s, c, layer, forward, backward);
    });
}

}  // namespace

void add_layers() {
  const double bytes = 2 * 4 * product({tokens, dim});
  add_layer("linear", {.flop = 2 * product({tokens, dim, dim})},
            [] { return linear<>({.in = dim, .out = dim, .bias = true}); });
  add_layer("rms_norm", {.bytes = bytes}, [] { return rms_norm<>({.dim = dim}); });
  add_layer("feed_forward", {.flop = 6 * product({tokens, dim, 512})},
            [] { return feed_forward<>({.dim = dim, .hidden = 512}); });
  add_layer("attention_window_128", {.flop = flop_of(near)}, [] { return attention<near>(); });
  add_layer("attention_full", {.flop = flop_of(far)}, [] { return attention<far>(); });
  const double moe_flop = 2 * product({tokens, experts.active_parameters()});
  add_layer("moe_128_top_4", {.flop = moe_flop}, [] { return moe<experts, sigmoid_gate>(); });
  add_layer("moe_128_top_4_gpt_oss", {.flop = moe_flop}, [] {
    return moe<experts, top_k_softmax_gate, no_balance>(
        [] {
          moe_shape s = experts;
          s.router_bias = s.expert_bias = true;
          return s;
        }(),
        {}, {}, {.unit = glu::clamped_swiglu()});
  });
  using block = sequential<residual<pre_norm<attention<near>>>,
                           residual<pre_norm<moe<experts, sigmoid_gate>>>>;
  add_layer("block", {.flop = flop_of(near) + moe_flop}, [] { return block(); });
  add_layer("block_recompute", {.flop = flop_of(near) + moe_flop},
            [] { return recompute<block>(); });
  add_with_context("layer/embedding/train", [](auto& state, auto& ctx) {
    embedding<> table({.vocab = vocab, .dim = dim});
    initialize(ctx, table);
    const auto ids = choices(tokens, 1, vocab);
    tensor dy(tokens, dim);
    embedding<>::saved saved;
    // Rows are read and written once forwards; the whole gradient is cleared, then rows are added.
    measure(state, ctx, {.bytes = 5 * dy.bytes() + 4 * product({vocab, dim})}, [&] {
      ctx.workspace().reset();
      table.forward(ctx, ids.as(tokens), saved);
      clear_gradients(table);
      table.backward(ctx, dy.in(), saved);
    });
  });
}

}  // namespace bench
