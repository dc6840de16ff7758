// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Speculative decoding: greedy gives the same tokens, sampling the same distribution; errors.

#include <cmath>
#include <functional>
#include <map>

#include "catch.hpp"
#include "model/small_model.hpp"

#include <dsr1/model/speculative.hpp>

using namespace dsr1;
using namespace small_model;

namespace {

using model_type = small_lm<float, true>;
using tokens_type = std::vector<std::int32_t>;

struct fixture {
  context<cpu> ctx{{.threads = 1}};
  model_type model = make(), other = make();  // `other` is untrained: nearly flat

  static constexpr cache_options cache{.slots = 2, .capacity = 64, .chunk = 12};

  static model_type make() { return model_type(lm_shape{.vocab = 13, .dim = 8, .tied = true}); }

  fixture() {
    initialize(ctx, model, false);
    initialize(ctx, other, false);
    enlarge(model);
  }

  tokens_type plain(const tokens_type& prompt, index_t n, const sampler_options& o) {
    decoder d(ctx, model, cache);
    sampler draw(o);
    tokens_type all = prompt, fresh = prompt;
    for (index_t i = 0; i < n; ++i) {
      fresh = {draw(d.feed(0, fresh), all)};
      all.push_back(fresh[0]);
    }
    return all;
  }
};

/// Says the same token whatever came, with a distribution of one or of two tokens.
struct stubborn {
  std::int32_t token = 4;
  token_distribution q = {{4}, {1.0}};
  index_t most = 100;
  token_proposal out = {};
  const token_proposal& propose(index_t, std::span<const std::int32_t>, index_t n,
                                const sampler_options&) {
    out.clear();
    for (index_t i = 0; i < std::min(n, most); ++i) {
      out.draw(q, 0);
      out.tokens.back() = token;
    }
    return out;
  }
};
static_assert(draft<stubborn>);

template <class Target, class Draft>
tokens_type generate(speculative_decoder<Target, Draft>& d, const tokens_type& prompt, index_t n) {
  d.begin(prompt);
  const std::size_t end = prompt.size() + static_cast<std::size_t>(n);
  while (d.tokens().size() < end) {
    const std::size_t before = d.tokens().size();
    const auto fresh = d.step(static_cast<index_t>(end - before));
    REQUIRE(!fresh.empty());
    REQUIRE(d.tokens().size() == before + fresh.size());
    REQUIRE(d.tokens().size() <= end);
  }
  return {d.tokens().begin(), d.tokens().end()};
}

/// How far counts are from what the probabilities expect: about normal with variance 1.
double deviation(const std::map<tokens_type, double>& probability,
                 const std::map<tokens_type, int>& count, int draws) {
  double chi2 = 0;
  for (const auto& [tokens, p] : probability) {
    const auto at = count.find(tokens);
    const double more = (at == count.end() ? 0 : at->second) - p * draws;
    chi2 += more * more / (p * draws);
  }
  const double freedom = static_cast<double>(probability.size()) - 1;
  return (chi2 - freedom) / std::sqrt(2 * freedom);
}

}  // namespace

TEST_CASE_METHOD(fixture, "speculative_decoder: greedy, the tokens are those without a draft") {
  speculative_counts weak_counts;
  for (const double penalty : {1.0, 1.3})
    for (const index_t guesses : {1, 3, 8}) {
      const sampler_options o{.repetition_penalty = penalty, .temperature = 0};
      decoder target(ctx, model, cache);
      model_draft weak(ctx, other, cache), own(ctx, model, cache);
      stubborn same, flat{.q = {{4, 5}, {0.5, 0.5}}}, silent{.most = 0}, late{.most = 1};
      const speculative_options options{.guesses = guesses, .sampling = o};
      speculative_decoder by_weak(target, weak, options, 1);
      speculative_decoder by_own(target, own, options);
      speculative_decoder by_same(target, same, options);
      speculative_decoder by_flat(target, flat, options);
      speculative_decoder by_silent(target, silent, options);
      speculative_decoder by_late(target, late, options);
      for (std::uint64_t n = 0; n < 12; ++n) {
        const auto prompt = ids(static_cast<index_t>(1 + n * n % 31), 13, n);
        const index_t length = n % 2 == 0 ? 24 : 64 - static_cast<index_t>(prompt.size());
        const auto wanted = plain(prompt, length, o);
        REQUIRE(generate(by_weak, prompt, length) == wanted);
        REQUIRE(generate(by_own, prompt, length) == wanted);
        REQUIRE(generate(by_same, prompt, length) == wanted);
        REQUIRE(generate(by_flat, prompt, length) == wanted);
        REQUIRE(generate(by_silent, prompt, length) == wanted);
        REQUIRE(generate(by_late, prompt, length) == wanted);
        // The model as its own draft is always right: only the length ends a round early.
        const auto& c = by_own.counts();
        REQUIRE(c.accepted == c.proposed);
        REQUIRE(c.tokens == static_cast<std::uint64_t>(length));
        REQUIRE(c.rounds == static_cast<std::uint64_t>((length + guesses) / (guesses + 1)));
        REQUIRE(by_silent.counts().proposed == 0);
        REQUIRE(by_silent.counts().rounds == static_cast<std::uint64_t>(length));
        weak_counts.proposed += by_weak.counts().proposed;
        weak_counts.accepted += by_weak.counts().accepted;
      }
    }
  INFO("the weak draft: " << weak_counts.accepted << " of " << weak_counts.proposed);
  CHECK(weak_counts.accepted > 0);
  CHECK(weak_counts.acceptance() < 0.5);
}

TEST_CASE_METHOD(fixture,
                 "speculative_decoder: sampling with the model as its own draft accepts all") {
  decoder target(ctx, model, cache);
  model_draft own(ctx, model, cache);
  speculative_decoder d(target, own, {.guesses = 4, .sampling = {.top_p = 0.9, .seed = 5}});
  const auto a = generate(d, {1, 2, 3}, 50);
  CHECK(d.counts().acceptance() == 1);
  CHECK(d.counts().rounds == 10);
  CHECK(generate(d, {1, 2, 3}, 50) == a);  // reproducible
  speculative_decoder e(target, own, {.guesses = 4, .sampling = {.top_p = 0.9, .seed = 6}});
  CHECK(generate(e, {1, 2, 3}, 50) != a);
}

TEST_CASE_METHOD(fixture, "speculative_decoder: sampling gives exactly the model's distribution") {
  // Three tokens after a prompt: all 4 x 4 x 4 continuations, their probabilities from the decoder.
  const tokens_type prompt = {7, 2, 9, 1};
  const sampler_options o{.repetition_penalty = 1.1, .temperature = 1.3, .top_k = 4};
  std::map<tokens_type, double> exact;
  decoder d(ctx, model, cache);
  logits_processor process;
  const std::function<void(tokens_type, double)> follow = [&](tokens_type all, double p) {
    if (all.size() == prompt.size() + 3) {
      exact[{all.end() - 3, all.end()}] = p;
      return;
    }
    d.restart(0);
    const token_distribution next = process(o, d.feed(0, all), all);
    for (std::size_t i = 0; i < next.tokens.size(); ++i) {
      all.push_back(next.tokens[i]);
      follow(all, p * next.probabilities[i]);
      all.pop_back();
    }
  };
  follow(prompt, 1);
  REQUIRE(exact.size() == 64);

  const int draws = 3000;
  model_draft weak(ctx, other, cache);
  stubborn two{.token = 4, .q = {{4}, {1.0}}};
  const auto measure = [&](auto& guess, index_t guesses) {
    decoder target(ctx, model, cache);
    std::map<tokens_type, int> count;
    speculative_counts all;
    for (int seed = 0; seed < draws; ++seed) {
      auto seeded = o;
      seeded.seed = static_cast<std::uint64_t>(seed) * 7919 + 13;
      speculative_decoder s(target, guess, {.guesses = guesses, .sampling = seeded});
      const auto got = generate(s, prompt, 3);
      ++count[{got.end() - 3, got.end()}];
      all.proposed += s.counts().proposed;
      all.accepted += s.counts().accepted;
    }
    int inside = 0;
    for (const auto& [tokens, n] : count) inside += exact.count(tokens) > 0 ? n : 0;
    CHECK(inside == draws);
    INFO("guesses " << guesses << ", accepted " << all.accepted << " of " << all.proposed);
    const double away = deviation(exact, count, draws);
    INFO("deviation " << away);
    CHECK(std::abs(away) < 3);
    return all.acceptance();
  };
  for (const index_t guesses : {1, 2}) {
    const double rate = measure(weak, guesses);
    CHECK(rate > 0.1);
    CHECK(rate < 0.9);
  }
  stubborn likely{.token = exact.begin()->first[0], .q = {{exact.begin()->first[0]}, {1.0}}};
  measure(likely, 2);

  // The check can tell: plain sampling passes, the draft's own words do not.
  std::map<tokens_type, int> count, foreign;
  decoder stranger(ctx, other, cache);
  for (int seed = 0; seed < draws; ++seed) {
    auto seeded = o;
    seeded.seed = static_cast<std::uint64_t>(seed);
    const auto got = plain(prompt, 3, seeded);
    ++count[{got.end() - 3, got.end()}];
    tokens_type all = prompt, fresh = prompt;
    sampler draw(seeded);
    stranger.restart(0);
    for (int i = 0; i < 3; ++i) {
      fresh = {draw(stranger.feed(0, fresh), all)};
      all.push_back(fresh[0]);
    }
    ++foreign[{all.end() - 3, all.end()}];
  }
  CHECK(std::abs(deviation(exact, count, draws)) < 3);
  CHECK(deviation(exact, foreign, draws) > 20);
}

TEST_CASE("speculative_choice: p comes out, to the grid, whatever q is") {
  // u and v on a grid, the guess by its probability: sums instead of draws.
  const token_distribution ps[] = {{{0, 1, 2}, {0.5, 0.3, 0.2}}, {{2, 5}, {0.9, 0.1}}, {{3}, {1}}};
  const token_distribution qs[] = {{{0, 1, 2}, {0.2, 0.3, 0.5}},
                                   {{5, 2, 9}, {0.25, 0.5, 0.25}},
                                   {{3}, {1}},
                                   {{8}, {1}},
                                   {{1, 0, 2}, {0.3, 0.5, 0.2}}};
  speculative_choice choose;
  const int grid = 200;
  for (const auto& p : ps)
    for (const auto& q : qs) {
      std::map<std::int32_t, double> out;
      double kept = 0;
      for (std::size_t i = 0; i < q.tokens.size(); ++i)
        for (int a = 0; a < grid; ++a)
          for (int b = 0; b < grid; ++b) {
            const auto r = choose(p, q, q.tokens[i], (a + 0.5) / grid, (b + 0.5) / grid);
            const double weight = q.probabilities[i] / grid / grid;
            out[r.token] += weight;
            kept += r.kept ? weight : 0;
          }
      double shared = 0;  // of p and q: what is kept on average
      for (std::size_t i = 0; i < p.tokens.size(); ++i) {
        CHECK(out[p.tokens[i]] == Approx(p.probabilities[i]).margin(2.0 / grid));
        shared += std::min(p.probabilities[i], q(p.tokens[i]));
      }
      CHECK(kept == Approx(shared).margin(2.0 / grid));
      for (const auto& [token, weight] : out) CHECK((p(token) > 0 || weight == 0));
    }
  CHECK(
      mentions(message_of([&] { choose(ps[0], qs[0], 7, 0.5, 0.5); }), "token 7", "probability 0"));
}

namespace {

/// Notes the target's states, as a multi-token-prediction layer would need them.
struct observer {
  model_draft<context<cpu>, model_type>& guess;
  index_t next = 0;
  std::vector<float> states = {};
  const token_proposal& propose(index_t slot, std::span<const std::int32_t> tokens, index_t n,
                                const sampler_options& o) {
    REQUIRE(next == static_cast<index_t>(tokens.size()) - 1);  // all but of the last token
    return guess.propose(slot, tokens, n, o);
  }
  void observe(index_t, index_t position, view<const float, 2> rows) {
    if (position == 0) next = 0, states.clear();
    REQUIRE(position == next);
    next += rows.rows();
    for (index_t i = 0; i < rows.rows(); ++i)
      states.insert(states.end(), rows.row(i), rows.row(i) + rows.columns());
  }
};

}  // namespace

TEST_CASE_METHOD(fixture,
                 "speculative_decoder: a draft may observe the states of what is certain") {
  decoder target(ctx, model, cache);
  model_draft guess(ctx, other, cache);
  observer o{guess};
  speculative_decoder d(target, o, {.guesses = 3, .sampling = {.seed = 2}});
  for (const index_t prompt : {1, 20}) {
    const auto all = generate(d, ids(prompt, 13, 4), 30);
    CHECK(d.counts().accepted > 0);
    CHECK(d.counts().accepted < d.counts().proposed);
    REQUIRE(o.next == static_cast<index_t>(all.size()) - 1);
    decoder whole(ctx, model, cache);
    const decode_input in{0, std::span(all).first(all.size() - 1), o.next};
    const auto h = whole.hidden({&in, 1});
    CHECK(o.states == std::vector<float>(h.data, h.data + h.size()));
  }
}

TEST_CASE_METHOD(fixture, "speculative_decoder: errors leave it as it was") {
  decoder target(ctx, model, cache);
  model_draft weak(ctx, other, cache);
  const auto made_with = [&](const speculative_options& o, index_t slot = 0) {
    return message_of([&] { speculative_decoder(target, weak, o, slot); });
  };
  CHECK(mentions(made_with({.guesses = 0}), "0 guesses", "1 to 11"));
  CHECK(mentions(made_with({.guesses = 12}), "12 guesses", "1 to 11"));
  CHECK(mentions(made_with({.sampling = {.top_p = 0}}), "top_p is 0"));
  CHECK(mentions(made_with({}, 2), "slot 2", "0 to 1"));
  struct : stubborn {
    index_t vocab() const { return 14; }
  } foreign;
  CHECK(mentions(message_of([&] { speculative_decoder(target, foreign, {}); }),
                 "the draft has 14 tokens, expected 13"));

  speculative_decoder d(target, weak, {.sampling = {.temperature = 0}});
  CHECK(mentions(message_of([&] { d.step(1); }), "before begin"));
  CHECK(mentions(message_of([&] { d.begin({}); }), "prompt is empty"));
  d.begin(ids(5, 13, 1));
  CHECK(mentions(message_of([&] { d.step(0); }), "at most 0 tokens"));
  const auto wanted = generate(d, ids(5, 13, 1), 59);
  CHECK(d.step(1).size() == 1);  // the last token is not fed
  CHECK(mentions(message_of([&] { d.step(1); }), "65 tokens", "holds 64"));

  stubborn bad{.token = 13, .q = {{13}, {1.0}}};
  speculative_decoder e(target, bad, {.sampling = {.temperature = 0}});
  e.begin(ids(5, 13, 1));
  CHECK(mentions(message_of([&] { e.step(9); }), "id 13", "0 to 12"));
  bad.q.tokens[0] = 4;  // the token is 5, its probability 0
  bad.token = 5;
  CHECK(mentions(message_of([&] { e.step(9); }), "token 5", "probability 0"));
  bad.token = 4;
  tokens_type got = ids(5, 13, 1);
  while (got.size() < 30) {
    const auto fresh = e.step(static_cast<index_t>(30 - got.size()));
    got.insert(got.end(), fresh.begin(), fresh.end());
  }
  CHECK(got == tokens_type(wanted.begin(), wanted.begin() + 30));
}
