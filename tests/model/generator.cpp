// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Continuous admission: what a request gets does not depend on its neighbours; ends, errors, heap.

#include <limits>
#include <map>
#include <stdexcept>

#include "catch.hpp"
#include "model/small_model.hpp"

#include <dsr1/model/generator.hpp>

using namespace dsr1;
using namespace small_model;

namespace {

using model_type = small_lm<float, true>;

struct answer {
  std::vector<std::int32_t> tokens;
  std::vector<float> logits;
  finish why = finish::running;
  bool operator==(const answer&) const = default;
};

struct fixture {
  context<cpu> ctx{{.threads = 2}};
  model_type model{lm_shape{.vocab = 13, .dim = 8, .tied = true}};
  fixture() {
    initialize(ctx, model, false);
    enlarge(model);
  }

  /// The oracle: decoder and sampler, one request alone, its prompt in one piece.
  answer alone(const generation_request& r) {
    decoder d(ctx, model, cache_options{.slots = 1, .capacity = 128, .chunk = 128});
    sampler draw(r.sampling);
    std::vector<std::int32_t> all = r.prompt, fresh = r.prompt;
    answer a;
    while (a.why == finish::running) {
      const auto logits = d.feed(0, fresh);
      a.logits.insert(a.logits.end(), logits.begin(), logits.end());
      const std::int32_t next = draw(logits, all);
      a.tokens.push_back(next);
      all.push_back(next);
      fresh = {next};
      if (std::count(r.stop_tokens.begin(), r.stop_tokens.end(), next) > 0)
        a.why = finish::stop_token;
      else if (static_cast<index_t>(a.tokens.size()) == r.max_tokens)
        a.why = finish::length;
    }
    return a;
  }
};

generation_request some_request(std::uint64_t n) {
  const random_stream numbers(n, stream_of("requests"));
  generation_request r;
  r.prompt = ids(static_cast<index_t>(1 + numbers.below(0, n % 3 == 0 ? 60 : 9)), 13, 100 + n);
  r.max_tokens = static_cast<index_t>(1 + numbers.below(1, 25));
  r.sampling = {.repetition_penalty = n % 4 == 0 ? 1.2 : 1,
                .temperature = n % 2 == 0 ? 1.1 : 0,
                .top_p = 0.95,
                .seed = n};
  if (n % 5 == 0) r.stop_tokens = {3, 11};
  return r;
}

void note(std::map<request_id, answer>& answers, const generated_token<float>& t) {
  answer& a = answers[t.request];
  REQUIRE(a.why == finish::running);
  REQUIRE(t.index == static_cast<index_t>(a.tokens.size()));
  a.tokens.push_back(t.token);
  a.logits.insert(a.logits.end(), t.logits.begin(), t.logits.end());
  a.why = t.why;
}

const auto nothing = [](const generated_token<float>&) {};

}  // namespace

TEST_CASE_METHOD(fixture, "generator: a request gets the same bits whatever runs beside it") {
  const std::uint64_t count = 24;
  std::vector<answer> wanted;
  int stopped = 0;
  for (std::uint64_t n = 0; n < count; ++n) {
    wanted.push_back(alone(some_request(n)));
    stopped += wanted.back().why == finish::stop_token;
  }
  CHECK(stopped > 0);
  std::uint64_t arrangement = 0;
  for (const index_t slots : {1, 2, 5})
    for (const index_t chunk : {3, 16, 64})
      for (const index_t budget : {index_t{0}, index_t{7}, index_t{200}}) {
        const random_stream numbers(++arrangement, stream_of("arrival"));
        std::vector<std::uint64_t> order(count);
        for (std::uint64_t n = 0; n < count; ++n) {
          order[n] = n;
          std::swap(order[n], order[numbers.below(n, n + 1)]);
        }
        generator g(ctx, model,
                    {.cache = {.slots = slots, .capacity = 128, .chunk = chunk},
                     .step_tokens = slots + budget});
        std::map<request_id, std::uint64_t> which;
        std::map<request_id, answer> answers;
        std::size_t submitted = 0;
        std::uint64_t at = count;
        bool left = true;
        while (left || submitted < count) {
          // Some arrive together, some while others run, some when all is idle.
          for (auto k = numbers.below(at++, 4); k > 1 && submitted < count; --k, ++submitted)
            which[g.submit(some_request(order[submitted]))] = order[submitted];
          left = g.step([&](const generated_token<float>& t) { note(answers, t); });
        }
        INFO("slots " << slots << ", chunk " << chunk << ", tokens a step " << slots + budget);
        REQUIRE(answers.size() == count);
        for (const auto& [id, a] : answers) REQUIRE((a == wanted[which[id]]));
      }
}

TEST_CASE_METHOD(fixture, "generator: a long prompt does not stall the others") {
  generator g(ctx, model, {.cache = {.slots = 2, .capacity = 128, .chunk = 16}, .step_tokens = 9});
  const auto quick = g.submit({.prompt = {1, 2}, .max_tokens = 20});
  g.step(nothing);
  const auto slow = g.submit({.prompt = ids(80, 13, 4), .max_tokens = 1});
  int steps = 0;
  for (bool read = false; !read; ++steps) {
    bool quick_spoke = false;
    g.step([&](const generated_token<float>& t) {
      quick_spoke |= t.request == quick;
      read |= t.request == slow;
    });
    CHECK(quick_spoke);
  }
  CHECK(steps == 10);  // 80 tokens in pieces of 8
}

TEST_CASE_METHOD(fixture,
                 "generator: slots are freed and filled, waiting requests keep their order") {
  generator g(ctx, model, {.cache = {.slots = 2, .capacity = 32, .chunk = 16}, .step_tokens = 32});
  for (const index_t length : {3, 1, 2, 1}) g.submit({.prompt = {1}, .max_tokens = length});
  std::vector<std::vector<request_id>> steps;
  bool left = true;
  while (left) {
    steps.emplace_back();
    left = g.step([&](const generated_token<float>& t) { steps.back().push_back(t.request); });
  }
  CHECK((steps == std::vector<std::vector<request_id>>{{1, 2}, {1, 3}, {1, 3}, {4}}));
  CHECK(g.running() + g.waiting() == 0);
  CHECK_FALSE(g.step(nothing));
}

TEST_CASE_METHOD(fixture, "generator: cancelled requests fall silent, the others do not notice") {
  const auto wanted = alone(some_request(8));
  generator g(ctx, model, {.cache = {.slots = 3, .capacity = 128, .chunk = 16}, .step_tokens = 16});
  std::map<request_id, answer> answers;
  const auto first = g.submit({.prompt = {1, 2, 3}, .max_tokens = 50});
  const auto kept = g.submit(some_request(8));
  const auto last = g.submit({.prompt = {4, 5}, .max_tokens = 2});
  const auto queued = g.submit({.prompt = {6}, .max_tokens = 5});
  CHECK(g.waiting() == 4);
  g.step([&](const generated_token<float>& t) { note(answers, t); });
  CHECK(g.running() == 3);
  CHECK(g.cancel(queued));
  CHECK_FALSE(g.cancel(queued));
  bool cancelled = false;
  g.run([&](const generated_token<float>& t) {
    note(answers, t);
    // Cancels itself, and one whose last token is drawn but not handed on.
    if (t.request == first && t.index == 1) {
      CHECK(g.cancel(first));
      cancelled = g.cancel(last);
    }
  });
  CHECK(cancelled);
  CHECK(answers[first].tokens.size() == 2);
  CHECK(answers[last].tokens.size() == 1);
  CHECK((answers[kept] == wanted));
  CHECK(answers.count(queued) == 0);
  CHECK_FALSE(g.cancel(first));
}

TEST_CASE_METHOD(fixture, "generator: an exception of the callback leaves no half step") {
  generator g(ctx, model, {.cache = {.slots = 2, .capacity = 128, .chunk = 16}, .step_tokens = 16});
  generation_request a = some_request(2), b = some_request(4);
  a.max_tokens = 1;
  b.max_tokens = 9;
  b.stop_tokens = {};
  g.submit(b);
  g.submit(a);
  std::map<request_id, answer> answers;
  int calls = 0;
  const auto note_later = [&](const generated_token<float>& t) {
    if (++calls == 1) throw std::runtime_error("reader");
    answers[t.request].tokens.push_back(t.token);
  };
  CHECK_THROWS_AS(g.run(note_later), std::runtime_error);
  g.run(note_later);
  const auto wanted = alone(b).tokens;
  CHECK((answers[1].tokens == std::vector<std::int32_t>(wanted.begin() + 1, wanted.end())));
  CHECK(calls == 9);  // the only token of `a` was lost with the first of `b`
}

TEST_CASE_METHOD(fixture, "generator: an error of the model or the sampler ends its request only") {
  // A head of its own, so that only who reads token 12 meets its poisoned embedding.
  small_lm<float, false> m;
  initialize(ctx, m, false);
  enlarge(m);
  const generator_options options{.cache = {.slots = 3, .capacity = 64, .chunk = 16},
                                  .step_tokens = 16};
  std::vector<std::int32_t> wanted, got;
  const generation_request healthy{.prompt = {1, 2}, .max_tokens = 6, .sampling = {.top_k = 4}};
  {
    generator g(ctx, m, options);
    g.submit(healthy);
    g.run([&](const generated_token<float>& t) { wanted.push_back(t.token); });
  }
  m.tokens().table().values()[12 * 8] = std::numeric_limits<float>::quiet_NaN();
  generator g(ctx, m, options);
  const auto good = g.submit(healthy);
  const auto bad = g.submit({.prompt = {1, 12}, .max_tokens = 4});
  const auto see = [&](const generated_token<float>& t) {
    CHECK(t.request == good);
    got.push_back(t.token);
  };
  CHECK(mentions(message_of([&] { g.run(see); }), "request 2", "not finite"));
  CHECK(got.size() == 1);  // the good one was served in the same step
  CHECK_FALSE(g.cancel(bad));
  CHECK(g.running() == 1);
  g.run(see);
  CHECK(got == wanted);
  // Only the logits are wrong: the sampler finds it.
  m.head().values()[7 * 8] = std::numeric_limits<float>::infinity();
  g.submit(healthy);
  CHECK(mentions(message_of([&] { g.run(see); }), "request 3", "logit of token 7 is"));
  CHECK_FALSE(g.step(see));
}

TEST_CASE_METHOD(fixture, "generator: errors") {
  const generator_options options{.cache = {.slots = 2, .capacity = 20, .chunk = 8},
                                  .step_tokens = 8};
  generator g(ctx, model, options);
  const auto message = [&](generation_request r) { return message_of([&] { g.submit(r); }); };
  CHECK(mentions(message({}), "prompt is empty"));
  CHECK(mentions(message({.prompt = {1}, .max_tokens = 0}), "max_tokens is 0"));
  CHECK(mentions(message({.prompt = ids(11, 13, 1), .max_tokens = 10}),
                 "prompt of 11 tokens and 10 more", "holds 20"));
  CHECK(mentions(message({.prompt = {1}, .max_tokens = std::numeric_limits<index_t>::max()}),
                 "holds 20"));
  CHECK(
      mentions(message({.prompt = {1, 13}, .max_tokens = 2}), "token 13 in the prompt", "0 to 12"));
  CHECK(mentions(message({.prompt = {1}, .max_tokens = 2, .stop_tokens = {-1}}),
                 "token -1 in the stop tokens"));
  CHECK(
      mentions(message({.prompt = {1}, .max_tokens = 2, .sampling = {.top_p = 2}}), "top_p is 2"));
  CHECK(mentions(message_of([&] { g.cancel(1); }), "unknown request 1", "0 were"));
  CHECK_FALSE(g.step(nothing));
  auto few = options;
  few.step_tokens = 1;
  CHECK(mentions(message_of([&] { generator(ctx, model, few); }), "1 tokens a step", "2 slots"));
  CHECK(g.submit({.prompt = ids(10, 13, 1), .max_tokens = 10}) == 1);
  CHECK(g.cancel(1));
}
