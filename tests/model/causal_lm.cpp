// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The whole model: gradients through every part, cache and batch invariance, errors.

#include "catch.hpp"
#include "model/small_model.hpp"

#include <dsr1/testing/grad_check.hpp>

using namespace dsr1;

using namespace small_model;

namespace {

template <bool Tied>
void gradients() {
  context<cpu> ctx({.threads = 2});
  small_lm<double, Tied> m(lm_shape{.vocab = 13, .dim = 8, .tied = Tied}, body<double>(),
                           {.loss = {.z = 0.01, .chunk_bytes = 13 * 8 * 9}});
  initialize(ctx, m);
  enlarge(m);
  const sequence parts[] = {{.begin = 0, .length = 14}, {.begin = 14, .length = 6}};
  const auto tokens = ids(20, 13, 1);
  auto targets = ids(20, 13, 2);
  targets[3] = -1;
  const view<const std::int32_t, 1> in(tokens.data(), 20), out(targets.data(), 20);
  typename small_lm<double, Tied>::saved s;
  const double scale = 0.3;
  const auto r = testing::check_gradients(
      m, view<double, 1>(),
      [&] {
        ctx.workspace().reset();
        return scale * m.evaluate(ctx, {in, sequence_layout(parts)}, out, s).sum;
      },
      [&]() -> const double* {
        ctx.workspace().reset();
        const token_loss l = m.train(ctx, {in, sequence_layout(parts)}, out, scale, s);
        CHECK(l.tokens == 19);
        return nullptr;
      });
  INFO(r.str());
  CHECK(r.checked > 500);
  CHECK(r.error < 1e-6);
}

}  // namespace

TEST_CASE("causal_lm: gradients, own head") { gradients<false>(); }
TEST_CASE("causal_lm: gradients, tied head") { gradients<true>(); }

TEST_CASE("causal_lm: cached generation gives the bits of the whole sequence") {
  context<cpu> ctx({.threads = 2});
  small_lm<float, false> m;
  initialize(ctx, m, false);
  enlarge(m);
  const index_t n = 90;
  const auto tokens = ids(n, 13, 3);
  small_lm<float, false>::saved whole, cached;
  ctx.inference(true);
  const auto h =
      m.hidden(ctx, {view<const std::int32_t, 1>(tokens.data(), n), sequence_layout(n)}, whole);
  const auto all = m.logits(ctx, view<const float, 2>(h));
  m.open_cache(ctx, cached, cache_options{.slots = 3, .capacity = 128, .chunk = 32});
  const index_t chunks[] = {1, 1, 30, 32, 1, 5, 1, 19};
  index_t at = 0;
  for (const index_t c : chunks) {
    const sequence s{.begin = 0, .length = c, .position = at, .slot = 1};
    const auto part = m.hidden(
        ctx, {view<const std::int32_t, 1>(tokens.data() + at, c), sequence_layout({&s, 1})},
        cached);
    const auto logits = m.logits(ctx, view<const float, 2>(part));
    for (index_t i = 0; i < c; ++i)
      for (index_t v = 0; v < 13; ++v) REQUIRE(logits(i, v) == all(at + i, v));
    at += c;
  }
  CHECK(at == n);
}
