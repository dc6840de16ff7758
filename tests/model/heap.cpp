// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Generation takes nothing from the heap once warm.

#include "catch.hpp"
#include "model/small_model.hpp"
#include "tensor/heap_count.hpp"

#include <dsr1/model/draft.hpp>
#include <dsr1/model/generator.hpp>
#include <dsr1/model/speculative.hpp>

using namespace dsr1;
using namespace small_model;

namespace {

struct fixture {
  context<cpu> ctx{{.threads = 2}};
  small_lm<float, true> model{lm_shape{.vocab = 13, .dim = 8, .tied = true}};
  fixture() {
    initialize(ctx, model, false);
    enlarge(model);
  }
};

}  // namespace

TEST_CASE_METHOD(fixture, "heap: nothing in warm generator steps, prompts among them") {
  generator g(ctx, model,
              {.cache = {.slots = 3, .capacity = 1000, .chunk = 32}, .step_tokens = 32});
  const sampler_options sampling{.repetition_penalty = 1.1, .top_p = 0.9};
  // Two rounds alike; the second is warm.
  long allocations = -1;
  for (int round = 0; round < 2; ++round) {
    const auto long_one =
        g.submit({.prompt = ids(300, 13, 1), .max_tokens = 300, .sampling = sampling});
    g.submit({.prompt = {1}, .max_tokens = 100, .sampling = sampling});
    g.submit({.prompt = {2, 3}, .max_tokens = 200, .sampling = {.temperature = 0}});
    g.submit({.prompt = {4}, .max_tokens = 20, .sampling = sampling});
    std::int64_t tokens = 0;
    const long before = heap_count;
    g.run([&](const generated_token<float>& t) { tokens += t.token + (t.request == long_one); });
    allocations = heap_count - before;
    CHECK(tokens > 0);
  }
  CHECK(allocations == 0);
}

TEST_CASE_METHOD(fixture, "heap: nothing in warm rounds of speculative decoding") {
  small_lm<float, true> small{lm_shape{.vocab = 13, .dim = 8, .tied = true}};
  initialize(ctx, small, false);
  const cache_options cache{.slots = 1, .capacity = 300, .chunk = 16};
  decoder target(ctx, model, cache);
  model_draft guess(ctx, small, cache);
  speculative_decoder d(target, guess,
                        {.guesses = 4, .sampling = {.repetition_penalty = 1.1, .top_p = 0.9}});
  const auto prompt = ids(50, 13, 1);
  long allocations = -1;
  for (int round = 0; round < 2; ++round) {
    d.begin(prompt);
    const long before = heap_count;
    while (d.tokens().size() < 250) d.step(250 - static_cast<index_t>(d.tokens().size()));
    allocations = heap_count - before;
    CHECK(d.counts().accepted > 0);
    CHECK(d.counts().accepted < d.counts().proposed);
  }
  CHECK(allocations == 0);
}
