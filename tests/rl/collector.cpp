// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Collecting: what training sees is what was sampled; shares of ranks; evaluation.

#include "catch.hpp"
#include "rl/rl_run.hpp"

#include <dsr1/comm/threads.hpp>

using namespace dsr1;
using rl_run::run;

namespace {

template <class Run, class Ctx>
auto collector_of(Run& r, Ctx& ctx) {
  return collector<Ctx, typename Run::actor_type, echo::task, character_codec>(
      ctx, r.actor, r.task, r.codec, rl_run::sampling, {});
}

}  // namespace

TEST_CASE("collector: the policy scores its own answers with the bits that it sampled them with") {
  context<cpu> ctx({.threads = 2, .seed = 4});
  run<ppo> r(ctx, {}, {});
  r.learn.update(1e-2);  // so that policy and reference are two
  auto c = collector_of(r, ctx);
  c.sample(100, 20, 2, random_stream(1));
  c.judge_answers();
  const auto sums = c.score(50);  // several passes
  REQUIRE(c.all().size() == 40);
  double tokens = 0;
  bool cut = false;
  typename decltype(r)::actor_type::saved s;
  for (const experience& e : c.all()) {
    packed_answers<float> one;
    one.append(e);
    ctx.workspace().reset();
    const policy_scores alone = r.actor.score(ctx, one.batch(), s);
    CHECK(alone.log_probability == e.log_probability);
    CHECK(alone.value == e.value);
    CHECK(std::accumulate(alone.entropy.begin(), alone.entropy.end(), 0.0) == e.entropy);
    CHECK(e.reference.size() == e.answer.size());
    CHECK(e.divergence.size() == e.answer.size());
    CHECK(e.ended == alone.bootstrap.empty());
    if (!e.ended) CHECK(e.bootstrap == alone.bootstrap.front());
    tokens += static_cast<double>(e.size());
    cut = cut || !e.ended;
  }
  CHECK(cut);
  CHECK(sums.tokens == tokens);
  CHECK(sums.divergence > 0);
  CHECK(sums.entropy > 0);
  CHECK(c.all()[3].group == 1);
}

TEST_CASE(
    "collector: problems are dealt to the ranks, and every answer is the one that one rank "
    "samples") {
  context<cpu> ctx({.threads = 1, .seed = 4});
  run<ppo> one(ctx, {}, {});
  auto whole = collector_of(one, ctx);
  whole.sample(7, 5, 2, random_stream(3));
  const auto evaluated = whole.evaluate(split::test, 9);
  run_ranks(3, [&](rank_group& group) {
    context<cpu, rank_group> mine({.threads = 1, .seed = 4}, group.duplicate());
    run<ppo, float, context<cpu, rank_group>> r(mine, {}, {});
    auto c = collector_of(r, mine);
    c.sample(7, 5, 2, random_stream(3));
    bool same = c.all().size() == (group.rank() < 2 ? 4u : 2u);
    for (std::size_t i = 0; i < c.all().size(); ++i) {
      const experience& e = whole.all()[static_cast<std::size_t>(c.numbers()[i])];
      same = same && e.answer == c.all()[i].answer && e.prompt == c.all()[i].prompt &&
             e.log_probability == c.all()[i].log_probability;
    }
    const auto report = c.evaluate(split::test, 9);
    same = same && report.answers.size() == 3 && report.solved == Approx(evaluated.solved) &&
           report.length == Approx(evaluated.length);
    expects(same, "rank ", group.rank(), " has other answers");
  });
}
