// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Experts apart from where they are computed: the same bits, copies of those in demand.

#include "battery/expert_store.hpp"

using namespace dsr1;
using battery::expert_layers;

TEST_CASE("expert_store: the bits are those of experts that are all there") {
  context<cpu> ctx({.threads = 2});
  battery::store_changes_no_bit(ctx, 40);
}

TEST_CASE("expert_store: the experts in demand get the places, also when demand changes") {
  context<cpu> ctx({.threads = 1});
  battery::store_follows_demand(ctx);
}

TEST_CASE("expert_store: uses are weighed for as long as a program runs") {
  context<cpu> ctx({.threads = 1});
  expert_layers apart;
  apart.hold(ctx, residence::host);
  expert_store store(ctx, apart, {.bytes = 4 * expert_layers::bytes(), .half_life = 0.25});
  const std::vector<index_t> first = {1, 2, 2, 2, 2, 2}, last = {0, 0, 0, 0, 1, 2};
  for (const auto& rows : {first, last, first}) {
    for (int i = 0; i < 200; ++i) apart.run(ctx, rows);  // a use then counts 16^200 of the oldest
    store.clear_counts();
    apart.run(ctx, rows);
    CHECK(store.counts().hits == 4);
    CHECK(store.counts().copied == 0);
  }
}

TEST_CASE("expert_store: parts that lie apart, and codes of every kind") {
  context<cpu> ctx({.threads = 1});
  for (const coding type : {coding::f32, coding::bf16, coding::int8, coding::int4, coding::fp8}) {
    expert_layers one, two;
    one.hold(ctx, residence::device, type);
    two.hold(ctx, residence::device, type);
    if (type != coding::fp8)
      for (auto& e : two.each) e.up().hold(battery::in_parts(*e.up().coded(), 2, true));
    expert_store store(ctx, two, {.bytes = 8 * expert_layers::bytes(coding::f32)});
    for (index_t i = 0; i < 9; ++i) {
      const auto got = two.run(ctx, expert_layers::ends(i));
      ctx.experts(nullptr);
      battery::check_same(got, one.run(ctx, expert_layers::ends(i)), text("call ", i));
      ctx.experts(&store);
    }
    CHECK(store.counts().hits > 0);
  }
}

TEST_CASE("expert_store: another model of the context is left alone") {
  context<cpu> ctx({.threads = 1});
  expert_layers one, other;
  one.hold(ctx, residence::device);
  other.hold(ctx, residence::device);
  const expert_store store(ctx, one, {.bytes = 8 * expert_layers::bytes()});
  for (index_t i = 0; i < 9; ++i) other.run(ctx, expert_layers::ends(i));
  CHECK(store.counts().uses == 0);
  CHECK(store.counts().copied == 0);
}

TEST_CASE("expert_store: errors") {
  context<cpu> ctx({.threads = 1});
  expert_layers plain, coded;
  const auto message = [&](expert_layers& model, const expert_store_options& options) {
    return message_of([&] { expert_store store(ctx, model, options); });
  };
  CHECK(mentions(message(plain, {.bytes = 1 << 20}), "no experts that stay as they are stored"));
  coded.hold(ctx, residence::device);
  CHECK(mentions(message(coded, {.bytes = 100}), "100 bytes",
                 text("expected at least ", expert_layers::bytes(), " for one expert of 12")));
  CHECK(mentions(message(coded, {.bytes = -1}), "-1 bytes"));
  CHECK(mentions(message(coded, {.bytes = 1 << 20, .copies_at_once = 0}), "copies_at_once 0"));
  CHECK(mentions(message(coded, {.bytes = 1 << 20, .half_life = 0}), "half_life 0"));
  CHECK(mentions(message(coded, {.bytes = 1 << 20, .margin = -1}), "margin -1"));
  expert_store store(ctx, coded, {.bytes = 1 << 20});
  CHECK(mentions(message(coded, {.bytes = 1 << 20}), "the context has one already"));
  const index_t ends[] = {1, 2};
  CHECK(mentions(message_of([&] { store.about_to_use(&coded.each[0].up(), row_groups(ends)); }),
                 "rows for 2 experts, expected 6"));
}
