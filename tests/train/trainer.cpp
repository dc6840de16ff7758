// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Training steps: learning, accumulation, bits, memory, errors.

#include <cstdlib>
#include <limits>
#include <new>

#include "catch.hpp"
#include "model/small_model.hpp"

#include <dsr1/train/trainer.hpp>

using namespace dsr1;
using namespace small_model;

namespace {

template <class T>
struct run {
  context<cpu> ctx;
  small_lm<T, false> model;
  std::vector<std::int32_t> in, out;
  std::vector<sequence> parts;

  explicit run(int threads = 2) : ctx({.threads = threads, .seed = 3}) {
    initialize(ctx, model);
    for (std::int32_t i = 0; i < 64; ++i) {  // 5 x + 1 mod 13: learnable
      in.push_back(i == 0 ? 1 : (5 * in.back() + 1) % 13);
      out.push_back((5 * in.back() + 1) % 13);
    }
    parts = {{.begin = 0, .length = 32}, {.begin = 32, .length = 32}};
  }
  training_batch batch(index_t first, index_t count) const {
    return {{view<const std::int32_t, 1>(in.data() + first, count), sequence_layout(count)},
            view<const std::int32_t, 1>(out.data() + first, count)};
  }
  training_batch both() const {
    return {{view<const std::int32_t, 1>(in.data(), 64), sequence_layout(parts)},
            view<const std::int32_t, 1>(out.data(), 64)};
  }
  std::vector<T> weights() {
    std::vector<T> all;
    model.for_each_parameter([&](const parameter_name&, auto& p) {
      all.insert(all.end(), p.values().begin(), p.values().end());
    });
    return all;
  }
};

}  // namespace

TEST_CASE("trainer: the loss falls, and the report is complete") {
  run<float> r;
  trainer t(r.ctx, r.model, adamw{});
  const training_batch b[] = {r.both()};
  const double before = t.evaluate(b[0]).mean();
  const step_report first = t.step(b, 1e-2);
  CHECK(first.step == 1);
  CHECK(first.tokens == 64);
  CHECK(first.loss == Approx(before));
  CHECK(before < 2 * std::log(13.0));
  CHECK(first.gradient_norm > 0);
  CHECK(first.max_violation >= 0);
  step_report last;
  for (int i = 0; i < 80; ++i) last = t.step(b, 1e-2);
  CHECK(last.step == 81);
  CHECK(last.loss < 0.3);
  CHECK(t.evaluate(r.both()).mean() < 0.3);
  double choices = 0;
  for (const double c : t.load().counts) choices += c;
  CHECK(choices == 81.0 * 64 * 2 * 4);  // tokens, top_k, layers
}

TEST_CASE("trainer: micro-batches accumulate to the batch") {
  run<double> a, b;
  trainer ta(a.ctx, a.model, adamw{.eps = 1e-3}), tb(b.ctx, b.model, adamw{.eps = 1e-3});
  const training_batch one[] = {a.both()}, two[] = {b.batch(0, 32), b.batch(32, 32)};
  for (int i = 0; i < 3; ++i) {
    const auto ra = ta.step(one, 1e-2), rb = tb.step(two, 1e-2);
    CHECK(ra.loss == Approx(rb.loss).epsilon(1e-12));
    CHECK(ra.gradient_norm == Approx(rb.gradient_norm).epsilon(1e-10));
  }
  const auto wa = a.weights(), wb = b.weights();
  for (std::size_t i = 0; i < wa.size(); ++i)
    REQUIRE(wa[i] == Approx(wb[i]).epsilon(1e-9).margin(1e-9));
}

TEST_CASE("trainer: any number of threads gives the same weights") {
  std::vector<float> first;
  for (const int threads : {1, 2, 4}) {
    run<float> r(threads);
    trainer t(r.ctx, r.model, adamw{});
    const training_batch b[] = {r.both()};
    for (int i = 0; i < 5; ++i) t.step(b, 1e-2);
    if (first.empty()) first = r.weights();
    REQUIRE(r.weights() == first);
  }
}

TEST_CASE("trainer: a loss or gradient that is not finite names the step and changes nothing") {
  run<float> r;
  trainer t(r.ctx, r.model, adamw{});
  const training_batch b[] = {r.both()};
  t.step(b, 1e-2);
  const auto before = r.weights();
  auto& table = r.model.tokens().table().values();
  const float kept = table[3];
  table[3] = std::numeric_limits<float>::infinity();
  CHECK(mentions(message_of([&] { t.step(b, 1e-2); }), "step 2", "not finite"));
  table[3] = kept;
  CHECK(r.weights() == before);
  CHECK(t.step(b, 1e-2).step == 2);
}

TEST_CASE("trainer: errors") {
  run<float> r;
  CHECK(
      mentions(message_of([&] { trainer t(r.ctx, r.model, adamw{}, {.clip = 0}); }), "clip is 0"));
  trainer t(r.ctx, r.model, adamw{});
  std::fill(r.out.begin(), r.out.end(), -1);
  const training_batch b[] = {r.both()};
  CHECK(mentions(message_of([&] { t.step(b, 1e-2); }), "step 1", "no token counts"));
  small_lm<float, false> inference_only;
  initialize(r.ctx, inference_only, false);
  CHECK(mentions(message_of([&] { trainer u(r.ctx, inference_only, adamw{}); }), "no gradient"));
}
