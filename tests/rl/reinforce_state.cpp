// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Runs that are interrupted, run on several ranks, or cannot go on.

#include <filesystem>

#include "catch.hpp"
#include "rl/rl_run.hpp"

#include <dsr1/comm/threads.hpp>
#include <dsr1/train/checkpoint.hpp>

using namespace dsr1;
using rl_run::run;

namespace {

/// Removed at the end.
struct folder {
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("dsr1-reinforce-" + std::to_string(::getpid()));
  folder() { std::filesystem::create_directories(path); }
  ~folder() { std::filesystem::remove_all(path); }
};

template <class Algorithm>
void resumes(const Algorithm& algorithm, const reinforce_options& options) {
  const folder f;
  context<cpu> one({.threads = 2, .seed = 5}), two({.threads = 1, .seed = 6});
  run<Algorithm> whole(one, algorithm, options);
  // [resume]
  for (int i = 0; i < 2; ++i) whole.learn.update(3e-3);
  const auto path = checkpoint::save(one, f.path, whole.train, whole.learn.state());
  std::vector<std::pair<std::string, double>> last;
  for (int i = 0; i < 3; ++i) last = whole.learn.update(3e-3).numbers();

  run<Algorithm> resumed(two, algorithm, options);  // other weights, which the checkpoint replaces
  initialize(one, resumed.reference, false);        // the reference is the run's beginning
  resumed.learn.restore({checkpoint::load(two, path, resumed.train), path.string()});
  // [/resume]
  CHECK(resumed.learn.updates() == 2);
  std::vector<std::pair<std::string, double>> again;
  for (int i = 0; i < 3; ++i) again = resumed.learn.update(3e-3).numbers();
  CHECK(resumed.weights() == whole.weights());
  REQUIRE(again.size() == last.size());
  for (std::size_t i = 0; i < last.size(); ++i)
    if (!last[i].first.ends_with("_s")) {
      INFO(last[i].first);
      CHECK(again[i].second == last[i].second);
    }
}

/// Updates on some ranks; what rank 0 has at the end.
template <class Algorithm>
std::pair<std::vector<double>, std::vector<update_report>> on(int ranks, const Algorithm& algorithm,
                                                              const reinforce_options& options) {
  std::pair<std::vector<double>, std::vector<update_report>> out;
  run_ranks(ranks, [&](rank_group& group) {
    context<cpu, rank_group> ctx({.threads = 1, .seed = 5}, group.duplicate());
    run<Algorithm, double, context<cpu, rank_group>> r(ctx, algorithm, options);
    std::vector<update_report> reports;
    for (int i = 0; i < 3; ++i) reports.push_back(r.learn.update(3e-3));
    if (group.rank() == 0) out = {r.weights(), reports};
  });
  return out;
}

template <class Algorithm>
void same_on_ranks(const Algorithm& algorithm, const reinforce_options& options) {
  const auto one = on(1, algorithm, options);
  for (const int ranks : {2, 3}) {
    INFO(ranks << " ranks");
    const auto many = on(ranks, algorithm, options);
    REQUIRE(many.first.size() == one.first.size());
    double worst = 0;
    for (std::size_t i = 0; i < one.first.size(); ++i)
      worst = std::max(worst, std::abs(many.first[i] - one.first[i]));
    CHECK(worst < 1e-9);
    for (std::size_t u = 0; u < one.second.size(); ++u) {
      const auto a = one.second[u].numbers(), b = many.second[u].numbers();
      for (std::size_t i = 0; i < a.size(); ++i) {
        INFO("update " << u << ' ' << a[i].first);
        if (!a[i].first.ends_with("_s"))
          CHECK(b[i].second == Approx(a[i].second).epsilon(1e-6).margin(1e-9));
      }
    }
  }
}

}  // namespace

TEST_CASE("reinforce: interrupted and resumed, PPO ends with the same bits") {
  resumes(
      ppo{},
      {.prompts = 12, .penalty = {.coefficient = 0.02, .target = 0.01, .horizon = 100}, .seed = 3});
}
TEST_CASE("reinforce: interrupted and resumed, GRPO ends with the same bits") {
  resumes(grpo{.group = 4, .objective = {.penalty = {.coefficient = 0.1}}},
          {.prompts = 4, .seed = 3});
}

TEST_CASE("reinforce: PPO computes the same on 1, 2 and 3 ranks") {
  same_on_ranks(ppo{}, {.prompts = 10, .minibatches = 3, .micro_rows = 40, .seed = 3});
}
TEST_CASE("reinforce: GRPO computes the same on 1, 2 and 3 ranks") {
  same_on_ranks(grpo{.group = 3,
                     .average = token_average::sequence_mean,
                     .actor = {.entropy = 0.01, .divergence = 0.1}},
                {.prompts = 5, .minibatches = 2, .micro_rows = 40, .seed = 3});
}

TEST_CASE("reinforce: groups that are all dead are not learned from") {
  context<cpu> ctx({.threads = 1, .seed = 5});
  run<grpo> r(ctx, grpo{.group = 2}, {.prompts = 4, .reward = {.weights = {0, 0, 0}}, .seed = 3});
  const auto before = r.weights();
  const update_report u = r.learn.update(1e-2);
  CHECK(u.skipped);
  CHECK(u.dead_groups == 1);
  CHECK(r.weights() == before);
  CHECK(r.learn.updates() == 1);  // the next update has other prompts
}

TEST_CASE("reinforce: a policy that leaves the reference is stopped before it learns more") {
  context<cpu> ctx({.threads = 1, .seed = 5});
  run<ppo> r(ctx, ppo{}, {.prompts = 16, .largest_kl = 0.05, .seed = 3});
  std::vector<float> before;
  const std::string message = message_of([&] {
    for (int i = 0; i < 50; ++i) {
      before = r.weights();
      r.learn.update(3e-2);
    }
  });
  CHECK(mentions(message, "the KL to the reference model is", "at most 0.05", "smaller rate"));
  CHECK(r.weights() == before);
}

TEST_CASE("reinforce: numbers and parts that do not fit") {
  context<cpu> ctx({.threads = 1, .seed = 5});
  CHECK(
      mentions(message_of([&] { run<ppo>(ctx, {}, {.prompts = 0}); }), "0 prompts", "all above 0"));
  CHECK(mentions(message_of([&] { run<ppo>(ctx, {}, {.prompts = 2, .minibatches = 3}); }),
                 "2 answers for 3 minibatches"));
  run<grpo> r(ctx, grpo{.group = 2}, {.prompts = 2});
  using critic_type = actor_critic<echo::model<float>, clipped_objective>;
  critic_type with(r.model, true), without(r.model, false);
  initialize(ctx, with);
  trainer wants(ctx, with, adamw{}), lacks(ctx, without, adamw{});
  CHECK(mentions(message_of([&] { reinforce(ctx, wants, r.task, r.codec, grpo{}); }),
                 "has no use for a critic, the actor has one"));
  CHECK(mentions(message_of([&] { reinforce(ctx, lacks, r.task, r.codec, ppo{}); }),
                 "needs a critic, the actor has none"));
  CHECK(mentions(
      message_of([&] { reinforce(ctx, lacks, r.task, r.codec, grpo{}, {.largest_kl = 1}); }),
      "no reference model"));
  CHECK(mentions(message_of([&] { r.learn.evaluate(split::test, 0); }), "0 problems"));
  json broken = r.learn.state();
  broken.erase("penalty");
  CHECK(mentions(message_of([&] {
                   r.learn.restore({broken, "state.json"});
                 }),
                 "state.json", "penalty"));
}
