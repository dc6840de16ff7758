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

TEST_CASE_METHOD(fixture, "decoder: rows after as many tokens as are asked for") {
  const auto a = ids(40, 13, 6), b = ids(23, 13, 7), c = ids(5, 13, 8);
  for (const index_t chunk : {1, 7, 16, 64}) {
    decoder d(ctx, model, cache_options{.slots = 3, .capacity = 64, .chunk = chunk});
    const decode_input inputs[] = {{2, a, 33}, {0, b, 0}, {1, c, 5}};
    const auto y = d.feed(inputs);
    REQUIRE(y.rows() == 38);
    std::vector<std::vector<float>> got;
    for (index_t i = 0; i < 38; ++i) got.push_back({y.row(i), y.row(i) + 13});
    for (std::size_t i = 0; i < 33; ++i)
      REQUIRE(got[i] == last_logits({a.begin(), a.begin() + static_cast<std::ptrdiff_t>(i) + 8}));
    for (std::size_t i = 0; i < 5; ++i)
      REQUIRE(got[33 + i] ==
              last_logits({c.begin(), c.begin() + static_cast<std::ptrdiff_t>(i) + 1}));
    // Slot 0 was fed though nobody asked for rows, as a call without any shows.
    const decode_input more[] = {{0, std::span(c).first(2), 0}};
    CHECK(d.feed(more).rows() == 0);
    auto joined = b;
    joined.insert(joined.end(), c.begin(), c.begin() + 3);
    CHECK(copy_of(d.feed(0, std::span(c).subspan(2, 1))) == last_logits(joined));
  }
}

TEST_CASE_METHOD(fixture, "decoder: hidden states are those that the logits come from") {
  const auto a = ids(20, 13, 6);
  decoder d(ctx, model, cache_options{.slots = 1, .capacity = 64, .chunk = 8});
  const decode_input all[] = {{0, a, 20}};
  const auto h = d.hidden(all);
  CHECK(h.rows() == 20);
  CHECK(h.columns() == d.dim());
  const auto y = d.logits(view<const float, 2>(h.slice_rows(11, 2)));
  const std::vector<float> got(y.row(1), y.row(1) + 13);
  CHECK(got == last_logits({a.begin(), a.begin() + 13}));
}

TEST_CASE_METHOD(fixture, "decoder: tokens that were taken back leave no trace") {
  // Two slots go their ways by feeding and taking back at random; the windows (5) and chunks (16)
  // make the rings turn over many times.
  const index_t chunk = 16;
  decoder d(ctx, model, cache_options{.slots = 2, .capacity = 400, .chunk = chunk});
  const random_stream numbers(3, stream_of("rewind"));
  std::uint64_t n = 0;
  std::vector<std::int32_t> text[2];
  for (int round = 0; round < 120; ++round) {
    const auto slot = static_cast<index_t>(numbers.below(n++, 2));
    auto& t = text[slot];
    const index_t length = d.length(slot);
    REQUIRE(length == static_cast<index_t>(t.size()));
    const index_t room = length - d.shortest(slot);
    REQUIRE(room <= chunk);
    if (numbers.below(n++, 3) == 0 && room > 0) {
      const index_t back =
          static_cast<index_t>(numbers.below(n++, static_cast<std::uint64_t>(room) + 1));
      d.rewind(slot, length - back);
      t.resize(static_cast<std::size_t>(length - back));
      continue;
    }
    const auto fresh = ids(static_cast<index_t>(1 + numbers.below(n, 24)), 13, 1000 + n);
    ++n;
    if (t.size() + fresh.size() > 400) break;
    t.insert(t.end(), fresh.begin(), fresh.end());
    const auto got = copy_of(d.feed(slot, fresh));
    REQUIRE(got == last_logits(t));
  }
  CHECK(text[0].size() + text[1].size() > 300);
}

TEST_CASE_METHOD(fixture, "decoder: the shortest that rewind allows") {
  const auto tokens = ids(60, 13, 6);
  decoder d(ctx, model, cache_options{.slots = 1, .capacity = 64, .chunk = 16});
  d.feed(0, std::span(tokens).first(10));
  CHECK(d.shortest(0) == 0);
  d.feed(0, std::span(tokens).subspan(10, 30));
  CHECK(d.shortest(0) == 24);
  d.rewind(0, 30);
  CHECK(d.shortest(0) == 24);  // by the farthest, not by the present length
  d.feed(0, std::span(tokens).subspan(30, 5));
  CHECK(d.shortest(0) == 24);
  CHECK(mentions(message_of([&] { d.rewind(0, 23); }), "slot 0 to 23", "24 to 35", "chunks of 16"));
  CHECK(mentions(message_of([&] { d.rewind(0, 36); }), "slot 0 to 36", "24 to 35"));
  CHECK(mentions(message_of([&] { d.rewind(1, 0); }), "slot 1", "0 to 0"));
  d.rewind(0, 24);
  CHECK(copy_of(d.feed(0, std::span(tokens).subspan(24, 36))) == last_logits(tokens));
  d.restart(0);
  CHECK(d.shortest(0) == 0);
}

TEST_CASE_METHOD(fixture, "decoder: checking tokens and taking some back") {
  decoder decode(ctx, model, cache_options{.slots = 1, .capacity = 64, .chunk = 16});
  const std::vector<std::int32_t> prompt = ids(9, 13, 1), tried = ids(4, 13, 2);
  decode.feed(0, prompt);
  // [rewind]
  // The logits after each of four tokens in one call, row after row; then two of them taken back.
  const dsr1::decode_input in{.slot = 0, .tokens = tried, .rows = 4};
  const auto logits = decode.feed({&in, 1});
  decode.rewind(0, decode.length(0) - 2);
  // [/rewind]
  CHECK(logits.rows() == 4);
  CHECK(decode.length(0) == 11);
}

TEST_CASE_METHOD(fixture, "decoder: errors") {
  const auto tokens = ids(40, 13, 6);
  decoder d(ctx, model, cache_options{.slots = 2, .capacity = 32, .chunk = 16});
  CHECK(mentions(message_of([&] { d.feed(2, tokens); }), "slot 2", "0 to 1"));
  CHECK(mentions(message_of([&] { d.feed(0, {}); }), "no tokens"));
  const decode_input twice[] = {{1, tokens}, {1, tokens}};
  const auto few = std::span(tokens).first(5);
  const decode_input twice_short[] = {{1, few}, {1, few}};
  CHECK(mentions(message_of([&] { d.feed(twice_short); }), "slot 1 twice"));
  CHECK(mentions(message_of([&] { d.feed(twice); }), "slot 1 reaches position 40", "holds 32"));
  CHECK(mentions(message_of([&] { d.feed(0, tokens); }), "position 40", "holds 32"));
  const decode_input rows[] = {{1, few, 6}};
  CHECK(mentions(message_of([&] { d.feed(rows); }), "6 rows of 5 tokens", "slot 1", "0 to 5"));
  const std::vector<std::int32_t> foreign = {1, 13};
  const decode_input mixed[] = {{1, few}, {0, foreign}};
  CHECK(mentions(message_of([&] { d.feed(mixed); }), "token 1 of slot 0", "id 13", "0 to 12"));
  CHECK(d.length(0) == 0);  // nothing was fed, to no slot
  CHECK(d.length(1) == 0);
  CHECK_FALSE(ctx.inference());
  CHECK(copy_of(d.feed(0, std::span(tokens).first(9))) ==
        last_logits({tokens.begin(), tokens.begin() + 9}));
}
