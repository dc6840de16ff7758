// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A warm training step and a warm decode step take nothing from the heap.

#include <atomic>
#include <cstdlib>
#include <new>

#include "catch.hpp"
#include "model/small_model.hpp"

#include <dsr1/model/decoder.hpp>
#include <dsr1/model/sampler.hpp>
#include <dsr1/train/trainer.hpp>

namespace {

std::atomic<bool> counting = false;
std::atomic<long> allocations = 0;

void* take(std::size_t bytes, std::size_t alignment) {
  if (counting) ++allocations;
  void* p = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (!p) throw std::bad_alloc();
  return p;
}

/// The number of allocations, on all threads, while f runs.
template <class F>
long allocations_of(F&& f) {
  allocations = 0;
  counting = true;
  f();
  counting = false;
  return allocations;
}

}  // namespace

void* operator new(std::size_t bytes) { return take(bytes, 16); }
void* operator new(std::size_t bytes, std::align_val_t a) {
  return take(bytes, static_cast<std::size_t>(a));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

using namespace dsr1;
using namespace small_model;

TEST_CASE("heap: the counter counts") {
  CHECK(allocations_of([] { delete new int(3); }) == 1);
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
