// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Decoding: chunks, batches and restarts change nothing; errors leave the decoder usable.

#include "catch.hpp"
#include "model/small_model.hpp"

#include <dsr1/model/decoder.hpp>

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
  std::vector<float> last_logits(const std::vector<std::int32_t>& tokens) {
    small_lm<float, true>::saved s;
    ctx.workspace().reset();
    const auto h = model.hidden(ctx,
                                {view<const std::int32_t, 1>(tokens.data(), tokens.size()),
                                 sequence_layout(static_cast<index_t>(tokens.size()))},
                                s);
    const auto y = model.logits(ctx, view<const float, 2>(h.slice_rows(h.rows() - 1, 1)));
    return {y.data, y.data + 13};
  }
};

std::vector<float> copy_of(std::span<const float> x) { return {x.begin(), x.end()}; }

}  // namespace

TEST_CASE_METHOD(fixture, "decoder: a prompt in chunks, then token by token") {
  const auto tokens = ids(100, 13, 5);
  decoder d(ctx, model, cache_options{.slots = 1, .capacity = 128, .chunk = 16});
  auto logits = copy_of(d.feed(0, std::span(tokens).first(60)));
  CHECK(logits == last_logits({tokens.begin(), tokens.begin() + 60}));
  for (std::size_t i = 60; i < 100; ++i)
    logits = copy_of(d.feed(0, std::span(tokens).subspan(i, 1)));
  CHECK(logits == last_logits(tokens));
  CHECK(d.length(0) == 100);
  d.restart(0);
  CHECK(copy_of(d.feed(0, std::span(tokens).first(7))) ==
        last_logits({tokens.begin(), tokens.begin() + 7}));
}

TEST_CASE_METHOD(fixture, "decoder: requests of different lengths together, as each alone") {
  const auto a = ids(40, 13, 6), b = ids(23, 13, 7), c = ids(1, 13, 8);
  decoder d(ctx, model, cache_options{.slots = 3, .capacity = 64, .chunk = 16});
  const decode_input inputs[] = {{2, a}, {0, b}, {1, c}};
  const auto y = d.feed(inputs);
  std::vector<std::vector<float>> got;
  for (index_t i = 0; i < 3; ++i) got.push_back({y.row(i), y.row(i) + 13});
  CHECK(got[0] == last_logits(a));
  CHECK(got[1] == last_logits(b));
  CHECK(got[2] == last_logits(c));
}

TEST_CASE_METHOD(fixture, "decoder: errors") {
  const auto tokens = ids(40, 13, 6);
  decoder d(ctx, model, cache_options{.slots = 2, .capacity = 32, .chunk = 16});
  CHECK(mentions(message_of([&] { d.feed(2, tokens); }), "slot 2", "0 to 1"));
  CHECK(mentions(message_of([&] { d.feed(0, {}); }), "no tokens"));
  const decode_input twice[] = {{1, tokens}, {1, tokens}};
  CHECK(mentions(message_of([&] { d.feed(twice); }), "slot 1 twice"));
  CHECK(mentions(message_of([&] { d.feed(0, tokens); }), "position 40", "holds 32"));
  d.restart(0);
  CHECK(copy_of(d.feed(0, std::span(tokens).first(9))) ==
        last_logits({tokens.begin(), tokens.begin() + 9}));
}
