// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Generation with key-value caches: the model of `seed` (79 M parameters, 4.6 M active).

#include <dsr1/model.hpp>
#include <dsr1/moe.hpp>
#include <dsr1/nn.hpp>

#include "ops/harness.hpp"

namespace bench {

namespace {

constexpr attention_shape near{
    .dim = 256, .heads = 8, .kv_heads = 2, .head_dim = 32, .window = 128, .sinks = true};
constexpr attention_shape far{.dim = 256, .heads = 8, .kv_heads = 2, .head_dim = 32, .sinks = true};
constexpr moe_shape experts{.dim = 256, .hidden = 128, .experts = 128, .top_k = 4};
constexpr index_t vocab = 4096, layers = 6;

template <attention_shape Look>
using block =
    sequential<residual<pre_norm<attention<Look>>>, residual<pre_norm<moe<experts, sigmoid_gate>>>>;
using model = causal_lm<repeat<sequential<block<far>, block<near>>, layers / 2>,
                        lm_shape{.vocab = vocab, .dim = 256}>;

/// Weights and cached keys that one call must read at least, when `inputs` tokens share nothing.
double bytes(index_t inputs, index_t depth) {
  const double dense = static_cast<double>(
      layers * (near.parameters() + experts.experts * experts.dim) + vocab * 256);
  const double chosen =
      static_cast<double>(inputs * layers * experts.top_k * experts.expert_parameters());
  const double cached =
      static_cast<double>(inputs * layers / 2 * (far.cached(depth) + near.cached(depth)));
  return 4 * (dense + chosen + cached);
}

/// One call with one new token for each of `slots` requests that are `depth` tokens deep.
void step(benchmark::State& state, context_type& ctx, index_t slots, index_t depth) {
  model lm;
  initialize(ctx, lm);
  const index_t capacity = depth + 20'000;
  decoder decode(ctx, lm, cache_options{.slots = slots, .capacity = capacity, .chunk = 256});
  const auto prompt = choices(depth, 1, vocab);
  std::vector<std::int32_t> token(static_cast<std::size_t>(slots));
  std::vector<decode_input> inputs;
  for (index_t s = 0; s < slots; ++s) {
    decode.feed(s, std::span(prompt.data(), static_cast<std::size_t>(depth)));
    inputs.push_back({.slot = s, .tokens = std::span(&token[static_cast<std::size_t>(s)], 1)});
  }
  // Bytes by the depth at the beginning. Other tokens in each call, so that no expert stays warm.
  std::uint64_t random = 1;
  measure(state, ctx, {.bytes = bytes(slots, depth)}, [&] {
    for (std::int32_t& t : token) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      t = static_cast<std::int32_t>(random >> 52);
    }
    benchmark::DoNotOptimize(decode.feed(inputs));
  });
  state.counters["tokens/s"] =
      static_cast<double>(slots) * state.counters["GB/s"].value * 1e9 / bytes(slots, depth);
}

void prefill(benchmark::State& state, context_type& ctx) {
  model lm;
  initialize(ctx, lm);
  decoder decode(ctx, lm, cache_options{.slots = 1, .capacity = 512, .chunk = 512});
  const auto prompt = choices(512, 1, vocab);
  const double active =
      static_cast<double>(layers * (near.parameters() + experts.active_parameters()));
  measure(state, ctx, {.flop = 2 * 512 * active}, [&] {
    decode.restart(0);
    benchmark::DoNotOptimize(decode.feed(0, std::span(prompt.data(), 512)));
  });
  state.counters["tokens/s"] = 512 * state.counters["GFLOP/s"].value * 1e9 / (2 * 512 * active);
}

/// One call with `count` tokens of one request, the logits after each: what checking guesses costs.
void verify(benchmark::State& state, context_type& ctx, index_t count) {
  model lm;
  initialize(ctx, lm);
  decoder decode(ctx, lm, cache_options{.slots = 1, .capacity = 64, .chunk = 16});
  const auto prompt = choices(16, 1, vocab);
  decode.feed(0, std::span(prompt.data(), 16));
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(count));
  std::uint64_t random = 1;  // other tokens in each call, as in `step`
  measure(state, ctx, {.bytes = bytes(count, 16)}, [&] {
    for (std::int32_t& t : tokens) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      t = static_cast<std::int32_t>(random >> 52);
    }
    const decode_input in{.slot = 0, .tokens = tokens, .rows = count};
    benchmark::DoNotOptimize(decode.feed({&in, 1}));
    decode.rewind(0, 16);
  });
}

/// Choosing from 200,000 tokens of which some dozens are likely; bytes: each logit read once.
void choose(benchmark::State& state, context_type& ctx, const sampler_options& options) {
  std::vector<float> logits(200'000);
  for (std::size_t i = 0; i < logits.size(); ++i)
    logits[i] = 3 * static_cast<float>(random_stream(1).normal(i)) + (i % 3989 == 0 ? 12.0f : 0.0f);
  const std::vector<std::int32_t> history = {0, 1, 2, 3};
  sampler draw(options);
  measure(state, ctx, {.bytes = 4 * 200'000},
          [&] { benchmark::DoNotOptimize(draw(std::span<const float>(logits), history)); });
}

}  // namespace

void add_decode() {
  add_with_context("decode/step_depth_16", [](auto& s, auto& c) { step(s, c, 1, 16); });
  add_with_context("decode/step_depth_2048", [](auto& s, auto& c) { step(s, c, 1, 2048); });
  add_with_context("decode/step_8_requests", [](auto& s, auto& c) { step(s, c, 8, 16); });
  add_with_context("decode/step_16_requests", [](auto& s, auto& c) { step(s, c, 16, 16); });
  add_with_context("decode/verify_5_tokens", [](auto& s, auto& c) { verify(s, c, 5); });
  const std::pair<const char*, sampler_options> ways[] = {
      {"all", {}},
      {"greedy", {.temperature = 0}},
      {"top_k_50", {.top_k = 50}},
      {"top_p_0.9", {.top_p = 0.9}},
      {"min_p_0.05", {.min_p = 0.05}},
      {"penalty_1.1_top_p_0.9", {.repetition_penalty = 1.1, .top_p = 0.9}}};
  for (const auto& [name, options] : ways)
    add_with_context(std::string("sample_200k/") + name,
                     [options = options](auto& s, auto& c) { choose(s, c, options); });
  add_with_context("decode/prefill_512", [](auto& s, auto& c) { prefill(s, c); });
}

}  // namespace bench
