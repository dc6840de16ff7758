// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Generates text token by token with key-value caches, two requests at a time.

#include <cstdio>
#include <string>

#include "tiny.hpp"

int main() {
  dsr1::context<dsr1::cpu> ctx({.seed = 1});
  tiny::model model;
  tiny::learn(ctx, model, 500);

  // [generate]
  dsr1::decoder decode(ctx, model, dsr1::cache_options{.slots = 2, .capacity = 256, .chunk = 64});
  dsr1::sampler draw({.temperature = 0.2, .top_k = 20, .top_p = 0.95, .seed = 7});

  std::string answers[] = {"A layer is ", "Parameter gradients "};
  std::vector<std::int32_t> fresh[2];
  for (int i = 0; i < 2; ++i) fresh[i].assign(answers[i].begin(), answers[i].end());
  for (int n = 0; n < 40; ++n) {
    // Both requests in one call; neither changes a bit of the other.
    const dsr1::decode_input inputs[] = {{.slot = 0, .tokens = fresh[0]},
                                         {.slot = 1, .tokens = fresh[1]}};
    const auto logits = decode.feed(inputs);
    for (int i = 0; i < 2; ++i) {
      const std::int32_t next = draw(std::span(logits.row(i), 256));
      answers[i] += static_cast<char>(next);
      fresh[i] = {next};
    }
  }
  // [/generate]

  std::printf("%s\n%s\n", answers[0].c_str(), answers[1].c_str());
  const bool ok = answers[0].starts_with("A layer is any type with") &&
                  answers[1].starts_with("Parameter gradients accumulate");
  std::puts(ok ? "ok" : "WRONG");
  return ok ? 0 : 1;
}
