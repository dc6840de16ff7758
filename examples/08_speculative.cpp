// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A draft of one small layer guesses for the model; the text is the model's own.

#include <cstdio>
#include <string>

#include "tiny.hpp"

namespace {

constexpr dsr1::attention_shape glance{
    .dim = 32, .heads = 2, .kv_heads = 1, .head_dim = 16, .window = 16};
constexpr dsr1::feed_forward_shape guess_shape{.dim = 32, .hidden = 64};
using small_body = dsr1::sequential<tiny::add<dsr1::attention<glance>>,
                                    tiny::add<dsr1::feed_forward<guess_shape>>>;
using small_model =
    dsr1::causal_lm<small_body, dsr1::lm_shape{.vocab = 256, .dim = 32, .tied = true}>;

}  // namespace

int main() {
  dsr1::context<dsr1::cpu> ctx({.seed = 1});
  tiny::model model;
  small_model small;
  tiny::learn(ctx, model, 500);
  tiny::learn(ctx, small, 200);

  const std::string prompt = "A layer is ";
  const std::vector<std::int32_t> ids(prompt.begin(), prompt.end());
  const dsr1::sampler_options greedy{.temperature = 0};
  std::string plain = prompt;

  // [speculative]
  const dsr1::cache_options cache{.slots = 1, .capacity = 256, .chunk = 64};
  dsr1::decoder decode(ctx, model, cache);
  dsr1::model_draft guess(ctx, small, cache);

  dsr1::speculative_decoder fast(decode, guess, {.guesses = 4, .sampling = greedy});
  fast.begin(ids);
  while (fast.counts().tokens < 100)  // 1 to 5 tokens a round
    fast.step(static_cast<dsr1::index_t>(100 - fast.counts().tokens));
  const std::string text(fast.tokens().begin(), fast.tokens().end());
  // [/speculative]

  dsr1::sampler draw(greedy);
  std::vector<std::int32_t> fresh = ids;
  for (decode.restart(0); plain.size() < text.size();) {
    fresh = {draw(decode.feed(0, fresh))};
    plain += static_cast<char>(fresh[0]);
  }
  const auto& c = fast.counts();
  std::printf("%s\n%.0f %% of the guesses accepted, %.2f tokens per call of the model\n",
              text.c_str(), 100 * c.acceptance(),
              static_cast<double>(c.tokens) / static_cast<double>(c.rounds));
  const bool ok = text == plain && c.accepted > 0;
  std::puts(ok ? "ok" : "WRONG");
  return ok ? 0 : 1;
}
