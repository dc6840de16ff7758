// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A warm training step and a warm decode step take nothing from the heap.

#include "catch.hpp"
#include "model/small_model.hpp"
#include "tensor/heap_count.hpp"

#include <dsr1/model/decoder.hpp>
#include <dsr1/model/sampler.hpp>
#include <dsr1/train/trainer.hpp>

namespace {

/// The number of allocations, on all threads, while f runs.
template <class F>
long allocations_of(F&& f) {
  const long before = heap_count;
  f();
  return heap_count - before;
}

}  // namespace

using namespace dsr1;
using namespace small_model;

TEST_CASE("heap: the counter counts") {
  CHECK(allocations_of([] {
          int* volatile p = new int(3);  // volatile, or the compiler leaves both out
          delete p;
        }) == 1);
}

TEST_CASE("heap: nothing in a warm training step, even of batches of changing layout") {
  context<cpu> ctx({.threads = 2});
  small_lm<float, true> model({.vocab = 13, .dim = 8, .tied = true});
  initialize(ctx, model);
  trainer t(ctx, model, adamw{});
  const auto in = ids(96, 13, 1), out = ids(96, 13, 2);
  const sequence halves[] = {{.begin = 0, .length = 48}, {.begin = 48, .length = 48}};
  const sequence thirds[] = {
      {.begin = 0, .length = 20}, {.begin = 20, .length = 70}, {.begin = 90, .length = 6}};
  const view<const std::int32_t, 1> x(in.data(), 96), y(out.data(), 96);
  const training_batch a[] = {{{x, sequence_layout(halves)}, y}, {{x, sequence_layout(thirds)}, y}};
  for (int i = 0; i < 3; ++i) t.step(a, 1e-3);
  CHECK(allocations_of([&] {
          for (int i = 0; i < 3; ++i) t.step(a, 1e-3);
        }) == 0);
  t.evaluate(a[0]);
  t.evaluate(a[1]);
  CHECK(allocations_of([&] { t.evaluate(a[0]); }) == 0);
}

TEST_CASE("heap: nothing in a warm decode step") {
  context<cpu> ctx({.threads = 2});
  small_lm<float, true> model({.vocab = 13, .dim = 8, .tied = true});
  initialize(ctx, model, false);
  decoder d(ctx, model, cache_options{.slots = 2, .capacity = 512, .chunk = 32});
  sampler draw({.top_k = 5, .top_p = 0.9});
  const auto prompt = ids(100, 13, 1);
  std::int32_t next = draw(d.feed(1, prompt));
  for (int i = 0; i < 3; ++i) next = draw(d.feed(1, std::span(&next, 1)));
  CHECK(allocations_of([&] {
          for (int i = 0; i < 50; ++i) next = draw(d.feed(1, std::span(&next, 1)));
        }) == 0);
}
