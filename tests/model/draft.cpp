// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The draft model proposes what it would say itself, however the sequence was changed meanwhile.

#include <algorithm>

#include "catch.hpp"
#include "model/small_model.hpp"

#include <dsr1/model/draft.hpp>
#include <dsr1/model/sampler.hpp>
#include <dsr1/model/speculative.hpp>

using namespace dsr1;
using namespace small_model;

namespace {

using model_type = small_lm<float, true>;
static_assert(draft<model_draft<context<cpu>, model_type>>);
static_assert(!draft<model_type>);

struct fixture {
  context<cpu> ctx{{.threads = 1}};
  model_type model{lm_shape{.vocab = 13, .dim = 8, .tied = true}};
  fixture() {
    initialize(ctx, model, false);
    enlarge(model);
  }

  token_proposal expected(std::vector<std::int32_t> tokens, index_t n, const sampler_options& o) {
    decoder d(ctx, model, cache_options{.slots = 1, .capacity = 128, .chunk = 128});
    logits_processor process;
    const random_stream numbers(o.seed, stream_of("draft"));
    token_proposal out;
    for (index_t i = 0; i < n; ++i) {
      d.restart(0);
      out.draw(process(o, d.feed(0, tokens), tokens), numbers.uniform(tokens.size()));
      tokens.push_back(out.tokens.back());
    }
    return out;
  }
};

void expect_same(const token_proposal& a, const token_proposal& b) {
  REQUIRE(a.tokens == b.tokens);
  for (std::size_t i = 0; i < a.tokens.size(); ++i) {
    REQUIRE(a.distributions[i].tokens == b.distributions[i].tokens);
    REQUIRE(a.distributions[i].probabilities == b.distributions[i].probabilities);
  }
}

}  // namespace

TEST_CASE_METHOD(fixture,
                 "model_draft: a cache that was kept, cut or begun anew gives the same bits") {
  const sampler_options o{.repetition_penalty = 1.2, .temperature = 0.9, .top_k = 5, .seed = 3};
  model_draft guess(ctx, model, cache_options{.slots = 2, .capacity = 128, .chunk = 8});
  const random_stream numbers(8);
  std::uint64_t at = 0;
  std::vector<std::int32_t> tokens[2] = {ids(20, 13, 1), ids(3, 13, 2)};
  for (int round = 0; round < 60; ++round) {
    const auto slot = static_cast<index_t>(numbers.below(at++, 2));
    auto& t = tokens[slot];
    const auto n = static_cast<index_t>(numbers.below(at++, 6));
    const token_proposal& p = guess.propose(slot, t, n, o);
    REQUIRE(static_cast<index_t>(p.tokens.size()) == n);
    expect_same(p, expected(t, n, o));
    // Some guesses are kept, another token follows; sometimes the sequence is another one.
    t.insert(t.end(), p.tokens.begin(),
             p.tokens.begin() + static_cast<std::ptrdiff_t>(
                                    numbers.below(at++, static_cast<std::uint64_t>(n) + 1)));
    t.push_back(static_cast<std::int32_t>(numbers.below(at++, 13)));
    if (t.size() > 100 || numbers.below(at++, 10) == 0)
      t.resize(1 + numbers.below(at++, std::min<std::uint64_t>(t.size(), 60)));
  }
}

TEST_CASE_METHOD(fixture, "model_draft: proposes less where its cache ends") {
  model_draft guess(ctx, model, cache_options{.slots = 1, .capacity = 10, .chunk = 8});
  const sampler_options greedy{.temperature = 0};
  CHECK(guess.vocab() == 13);
  CHECK(guess.propose(0, ids(8, 13, 1), 5, greedy).tokens.size() == 3);
  CHECK(guess.propose(0, ids(10, 13, 1), 5, greedy).tokens.size() == 1);
  CHECK(guess.propose(0, ids(11, 13, 1), 5, greedy).tokens.empty());
  expect_same(guess.propose(0, ids(8, 13, 2), 3, greedy), expected(ids(8, 13, 2), 3, greedy));
}

namespace {

// [draft]
/// Guesses what followed the last token where it stood before (prompt lookup): no model at all.
struct lookup_draft {
  const dsr1::token_proposal& propose(dsr1::index_t, std::span<const std::int32_t> tokens,
                                      dsr1::index_t n, const dsr1::sampler_options&) {
    out.clear();
    auto at = std::find(tokens.rbegin() + 1, tokens.rend(), tokens.back()).base();
    if (at == tokens.begin()) return out;  // never before
    for (; n > 0 && at != tokens.end(); ++at, --n)
      out.draw({.tokens = {*at}, .probabilities = {1}}, 0);  // certain of it, right or wrong
    return out;
  }
  dsr1::token_proposal out;
};
static_assert(dsr1::draft<lookup_draft>);
// [/draft]

}  // namespace

TEST_CASE_METHOD(fixture, "draft: one without a model") {
  lookup_draft guess;
  const auto after = [&](const std::vector<std::int32_t>& tokens, index_t n) {
    return guess.propose(0, tokens, n, {}).tokens;
  };
  CHECK((after({1, 2, 3, 1}, 2) == std::vector{2, 3}));
  CHECK((after({1, 2, 3, 1}, 9) == std::vector{2, 3, 1}));
  CHECK(after({1, 2, 3}, 9).empty());
  CHECK(after({1}, 9).empty());
  const sampler_options greedy{.repetition_penalty = 1, .temperature = 0};
  const cache_options cache{.slots = 1, .capacity = 128, .chunk = 16};
  decoder d(ctx, model, cache);
  std::vector<std::int32_t> plain = ids(9, 13, 1), fresh = plain;
  sampler draw(greedy);
  while (plain.size() < 100) {
    fresh = {draw(d.feed(0, fresh))};
    plain.push_back(fresh[0]);
  }
  speculative_decoder fast(d, guess, {.sampling = greedy});
  fast.begin(ids(9, 13, 1));
  while (fast.tokens().size() < 100) fast.step(100 - static_cast<index_t>(fast.tokens().size()));
  CHECK(std::equal(plain.begin(), plain.end(), fast.tokens().begin(), fast.tokens().end()));
  CHECK(fast.counts().accepted > 10);  // greedy text goes in circles
}

TEST_CASE_METHOD(fixture, "model_draft: errors") {
  model_draft guess(ctx, model, cache_options{.slots = 2, .capacity = 10, .chunk = 8});
  CHECK(mentions(message_of([&] { guess.propose(0, {}, 2, {}); }), "no tokens in slot 0"));
  CHECK(mentions(message_of([&] { guess.propose(2, ids(3, 13, 1), 2, {}); }), "slot 2", "0 to 1"));
  CHECK(mentions(message_of([&] { guess.propose(0, std::vector{1, 13}, 2, {}); }), "id 13"));
  expect_same(guess.propose(0, ids(4, 13, 1), 2, {}), expected(ids(4, 13, 1), 2, {}));
}
