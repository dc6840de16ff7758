// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Reinforcement learning and recipes as a user runs them: what they write, that no kill changes a
// byte of it, and what they say to bad input.

#include "program.hpp"

#include <dsr1/core/random.hpp>
#include <dsr1/io/json.hpp>
#include <dsr1/monitor/metrics.hpp>
#include <dsr1/train/checkpoint.hpp>

using namespace program_test;
using dsr1::index_t;

namespace {

void expect_success(const folder& f, const std::string& arguments) {
  const int status = run(f, arguments);
  INFO(arguments << ": " << read(f / "err.txt"));
  REQUIRE(status == 0);
}

std::string said(const folder& f, const std::string& arguments) {
  CHECK(run(f, arguments) == 1);
  return read(f / "err.txt");
}

/// A short fine-tuning on sums in "base".
void make_base(const folder& f) {
  make_data(f);
  expect_success(f, "examples --task arithmetic --count 400 --out sums.jsonl");
  expect_success(f,
                 "sft --data data --size nano --examples sums.jsonl --out base --steps 60 "
                 "--tokens 512 --rate 6e-3 --threads 2");
}

std::string learn(const std::string& out, const std::string& more) {
  return "rl --from base --out " + out +
         " --task arithmetic --prompts 16 --prompt 12 --answer 14 --problems 20 --threads 2 " +
         more;
}

index_t newest(const fs::path& run) {
  const auto steps = dsr1::checkpoint::steps(run / "checkpoints");
  return steps.empty() ? 0 : steps.back();
}

std::string weights(const fs::path& run) {
  const std::string all =
      read(dsr1::checkpoint::path_of(run / "checkpoints", newest(run)) / "model.safetensors");
  REQUIRE(all.size() > 1000);
  return all;
}

}  // namespace

TEST_CASE("rl: from a run to a better one, which is a run too") {
  const folder f;
  make_base(f);
  expect_success(f, learn("learned", "--updates 4 --evaluate-updates 2"));
  const std::string out = read(f / "out.txt");
  CHECK(mentions(out, "ppo of arithmetic: 4 updates of 16 answers to 16 prompts",
                 "update 0: held-out", "update 2: held-out", "update 4: held-out",
                 "20 held-out problems of arithmetic", "solved (pass@1)", "What it answers:"));
  const auto result = dsr1::json_object::read(f / "learned/result.json");
  CHECK(result.get<index_t>("updates") == 4);
  CHECK(result.get<double>("solved") >= 0);
  const auto metrics = dsr1::read_metrics((f / "learned/metrics.jsonl").string());
  index_t updates = 0, evaluations = 0;
  for (const auto& r : metrics) {
    updates += std::isfinite(r.get("explained_variance"));
    evaluations += std::isfinite(r.get("held_out_solved"));
  }
  CHECK(updates == 4);
  CHECK(evaluations == 3);
  CHECK(mentions(read(f / "learned/samples-4.jsonl"), "\"why\"", "\"reached\"", "\"update\":4"));
  CHECK(mentions(read(f / "learned/reward.svg"), "<svg xmlns=", "held-out, solved"));
  // The policy: without the critic, for everything that reads a run.
  expect_success(f, "generate learned/policy --prompt 1+2: --tokens 8 --temperature 0");
  CHECK(read(f / "out.txt").starts_with("1+2:"));
  expect_success(f, "export learned/policy oss");
  expect_success(f,
                 "sft --from learned/policy --examples sums.jsonl --out tuned --steps 1 "
                 "--tokens 128");
  // Neither run is needed to go on; finished is finished.
  fs::remove_all(f / "base");
  const std::string before = weights(f / "learned");
  expect_success(f, "rl --out learned --resume");
  CHECK(weights(f / "learned") == before);
}

TEST_CASE("rl: killed at random moments and resumed, it ends with the same bytes") {
  const folder f;
  make_base(f);
  for (const std::string algorithm : {"ppo", "ppo --own-critic", "grpo"}) {
    const std::string how =
        "--updates 8 --evaluate-updates 4 --save-updates 1 --kl-target 0.01 --algorithm " +
        algorithm;
    const std::string name = algorithm.ends_with("critic") ? "critic" : algorithm,
                      whole = "whole-" + name, killed = "killed-" + name;
    expect_success(f, learn(whole, how));
    const dsr1::random_stream random(9);
    int kills = 0;
    for (std::uint64_t attempt = 0;; ++attempt) {
      REQUIRE(attempt < 20);
      process p(f, fs::exists(f / (killed + "/run.json"))
                       ? "rl --resume --save-updates 1 --threads 1 --out " + killed
                       : learn(killed, how));
      if (attempt < 6) {
        const index_t from = newest(f / killed);
        p.wait_until([&] { return newest(f / killed) > from; });
        std::this_thread::sleep_for(std::chrono::microseconds(random.below(attempt, 20000)));
        p.send(SIGKILL);
      }
      const int status = p.wait();
      INFO(read(f / "err.txt"));
      REQUIRE((status == 0 || status == -SIGKILL));
      kills += status == -SIGKILL;
      if (status == 0) break;
    }
    CHECK(kills >= 2);
    const bool same = weights(f / whole) == weights(f / killed);
    CHECK(same);
    const bool policy = weights(f / (whole + "/policy")) == weights(f / (killed + "/policy"));
    CHECK(policy);
    CHECK(read(f / (whole + "/result.json")) == read(f / (killed + "/result.json")));
  }
}

TEST_CASE("rl: on two ranks") {
  const folder f;
  make_base(f);
  expect_success(f, learn("two", "--updates 3 --ranks 2 --gradients int8"));
  CHECK(mentions(read(f / "out.txt"), "update 3: held-out"));
}

TEST_CASE("rl: asked to stop it saves and says how to go on") {
  const folder f;
  make_base(f);
  process p(f, learn("asked", "--updates 100000 --save-updates 1"));
  REQUIRE(p.wait_until([&] { return newest(f / "asked") > 0; }));
  p.send(SIGTERM);
  CHECK(p.wait() == 128 + SIGTERM);
  CHECK(mentions(read(f / "out.txt"), "stopped at update", "saved", "rl --out asked --resume"));
}

TEST_CASE("rl: what cannot be") {
  const folder f;
  make_base(f);
  CHECK(mentions(said(f, learn("a", "--updates 1 --task-options {\"larges\":9}")),
                 "unknown key \"larges\"", "largest"));
  CHECK(mentions(said(f, "rl --from base --out b --task arithmetic --prompt 3 --updates 1"),
                 "the prompt \"", "expected at most 3"));
  CHECK(mentions(said(f, learn("c", "--updates 50 --rate 0.3 --largest-kl 0.01 --save-updates 1")),
                 "the KL to the reference model is", "expected at most 0.01", "a smaller rate",
                 "the last good checkpoint"));
  CHECK(newest(f / "c") > 0);
  CHECK(mentions(said(f, learn("d", "--algorithm grpo --own-critic")), "--own-critic with grpo",
                 "expected ppo"));
  CHECK(mentions(said(f, "rl --out base --resume"), "base is a run of sft"));
  CHECK(mentions(said(f, learn("base", "--updates 1")), "holds a run already"));
  write(f / "c/reference.safetensors", "x");
  CHECK(mentions(said(f, "rl --out c --resume"), "reference.safetensors was edited"));
}

TEST_CASE("recipe: cold start, reinforcement, rejection sampling, fine-tuning, reinforcement") {
  const folder f;
  make_data(f);
  const std::string recipe = R"({"stages": [
    {"name": "sums", "command": "examples", "task": "arithmetic", "count": 400,
     "task-options": {"largest": 5}},
    {"name": "cold", "command": "sft", "data": "data", "size": "nano", "examples": "{sums}",
     "steps": 120, "tokens": 512, "rate": 6e-3},
    {"name": "rl1", "command": "rl", "from": "{cold}", "task-options": {"largest": 5}, "updates": 3, "prompts": 16, "prompt": 12,
     "answer": 14, "problems": 10, "algorithm": "grpo", "group": 2, "levels": [0.1, 0.2, 0.7]},
    {"name": "sampled", "command": "sample", "inputs": ["{rl1}/policy"], "task-options": {"largest": 5}, "count": 200, "group": 4,
     "answer": 14, "temperature": 0.7, "first": 1000},
    {"name": "right", "command": "examples", "sampled": "{sampled}", "most": 2},
    {"name": "tuned", "command": "sft", "from": "{rl1}/policy", "examples": "{right}", "steps": 2,
     "tokens": 128, "validation-share": 0},
    {"name": "rl2", "command": "rl", "from": "{tuned}", "updates": 2, "prompts": 8, "prompt": 12,
     "answer": 14, "problems": 10}]})";
  write(f / "recipe.json", recipe);
  {
    // Interrupted in the middle, it goes on where it was.
    process p(f, "run recipe.json --out all");
    REQUIRE(p.wait_until([&] { return fs::exists(f / "all/cold.done"); }));
    p.send(SIGKILL);
    p.wait();
  }
  expect_success(f, "run recipe.json --out all");
  const std::string out = read(f / "out.txt");
  CHECK(mentions(out, "== sums (examples): done before", "== cold (sft): done before",
                 "== rl2 (rl)", "solved (pass@1)"));
  CHECK(fs::exists(f / "all/rl2/result.json"));
  const std::string end = weights(f / "all/rl2");
  expect_success(f, "run recipe.json --out all");
  CHECK(mentions(read(f / "out.txt"), "== rl2 (rl): done before"));
  CHECK(weights(f / "all/rl2") == end);

  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = recipe;
    changed.replace(changed.find(from), from.size(), to);
    write(f / "other.json", changed);
    return said(f, "run other.json --out all");
  };
  CHECK(
      mentions(with("\"updates\"", "\"update\""), "stage 3", "unknown key \"update\"", "updates"));
  CHECK(mentions(with("\"sft\"", "\"stf\""), "no command \"stf\"", "sft"));
  CHECK(mentions(with("{sums}", "{suns}"), "no stage before is called \"suns\"", "sums"));
  CHECK(mentions(with("\"count\": 400", "\"count\": 401"), "other options"));
  CHECK(mentions(with("\"cold\"", "\"sums\""), "two stages are called \"sums\""));
}
