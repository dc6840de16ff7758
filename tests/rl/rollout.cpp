// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Rollouts: the log-probabilities of training to the bit, whatever runs beside an answer.

#include "catch.hpp"
#include "rl/echo.hpp"

#include <dsr1/loss/policy_head.hpp>
#include <dsr1/rl/rollout.hpp>

using namespace dsr1;

namespace {

struct run {
  context<cpu> ctx;
  echo::model<float> model = echo::make<float>();
  character_codec codec{echo::task::alphabet()};

  explicit run(int threads = 2) : ctx({.threads = threads, .seed = 4}) {
    initialize(ctx, model);
    small_model::enlarge(model);
  }

  std::vector<experience> sample(const rollout_options& options, index_t count, double temperature,
                                 std::uint64_t seed = 0) {
    rollout roll(ctx, model, codec, options);
    std::vector<experience> all(static_cast<std::size_t>(count));
    for (index_t i = 0; i < count; ++i)
      all[static_cast<std::size_t>(i)].prompt =
          roll.tokens_of(echo::task().sample(split::train, static_cast<std::uint64_t>(i)).prompt);
    roll(all, temperature, [&](std::size_t i) { return seed + i; });
    return all;
  }
};

}  // namespace

TEST_CASE("rollout: log-probabilities are those of training, to the bit") {
  run r;
  for (const double temperature : {1.0, 0.7}) {
    // Longer than the window of five, so that rings turn round; fewer slots than answers.
    const auto all = r.sample({.max_prompt = 8, .max_answer = 40, .slots = 5}, 30, temperature);
    packed_answers<float> packed;
    for (const experience& e : all) packed.append(e);
    const policy_batch<float> batch = packed.batch();
    echo::model<float>::saved s;
    r.ctx.workspace().reset();
    const auto h = r.model.hidden(r.ctx, batch.tokens, s);  // as in training, all at once
    const policy_head<float> head({.temperature = temperature, .chunk_bytes = 9 * 4 * 16});
    const auto p = head.forward(r.ctx, view<const float, 2>(h), r.model.head(), batch.targets);
    std::vector<double> trained;
    for (index_t t = 0; t < batch.targets.rows(); ++t)
      if (batch.targets[t] >= 0) trained.push_back(p.log_probability[static_cast<std::size_t>(t)]);
    REQUIRE(trained.size() == batch.before.size());
    CHECK(trained.size() > 200);
    CHECK(std::equal(trained.begin(), trained.end(), batch.before.begin()));
  }
}

TEST_CASE("rollout: an answer does not depend on slots, steps, threads or what runs beside it") {
  run one(1), two(2);
  const auto a =
      one.sample({.max_prompt = 8, .max_answer = 20, .slots = 1, .step_tokens = 3}, 12, 1);
  const auto b = two.sample({.max_prompt = 8, .max_answer = 20, .slots = 7}, 12, 1);
  const auto c = two.sample({.max_prompt = 8, .max_answer = 20, .slots = 7}, 12, 1, 100);
  bool other = false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(a[i].answer == b[i].answer);
    CHECK(a[i].log_probability == b[i].log_probability);
    CHECK(a[i].text == b[i].text);
    other = other || a[i].answer != c[i].answer;
  }
  CHECK(other);  // another seed
}

TEST_CASE("rollout: ends, cuts, texts and the places of tokens in them") {
  run r;
  rollout roll(r.ctx, r.model, r.codec, {.max_prompt = 8, .max_answer = 6, .slots = 4});
  bool ended = false, cut = false;
  for (const experience& e : r.sample({.max_prompt = 8, .max_answer = 6, .slots = 4}, 40, 1)) {
    const auto n = static_cast<index_t>(e.text.size());
    CHECK(e.size() >= 1);
    CHECK(e.size() <= 6);
    CHECK(e.ended == (e.answer.back() == r.codec.end()));
    CHECK(n == e.size() - (e.ended ? 1 : 0));
    CHECK((e.ended || e.size() == 6));
    const auto ends = roll.ends_of(e);
    REQUIRE(ends.size() == e.answer.size());
    CHECK(ends.front() == std::min<index_t>(1, n));
    CHECK(ends.back() == n);
    ended = ended || e.ended;
    cut = cut || !e.ended;
  }
  CHECK(ended);
  CHECK(cut);
}

TEST_CASE("rollout: greedy answers do not depend on the seed and have no log-probabilities") {
  run r;
  const auto a = r.sample({.max_prompt = 8, .max_answer = 9, .slots = 4}, 6, 0, 1);
  const auto b = r.sample({.max_prompt = 8, .max_answer = 9, .slots = 3}, 6, 0, 2);
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(a[i].answer == b[i].answer);
    CHECK(a[i].log_probability.empty());
  }
}

TEST_CASE("rollout: a prompt that is too long, a byte that is no token, a codec with more tokens") {
  run r;
  rollout roll(r.ctx, r.model, r.codec, {.max_prompt = 4, .max_answer = 6, .slots = 4});
  CHECK(roll.tokens_of("abc").size() == 4);
  CHECK(
      mentions(message_of([&] { roll.tokens_of("abcd"); }), "\"abcd\" has 5 tokens", "at most 4"));
  CHECK(mentions(message_of([&] { roll.tokens_of("a!"); }), "byte 33 at place 1"));
  const character_codec many("abcdefghijkl");
  CHECK(mentions(message_of([&] { rollout(r.ctx, r.model, many); }), "13 tokens, the model 9"));
}
