// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Interrupted is not lost: killed or asked to stop at any moment, and resumed, a run ends with the
// bytes of the uninterrupted one.

#include "program.hpp"

#include <dsr1/core/random.hpp>
#include <dsr1/monitor/metrics.hpp>
#include <dsr1/train/checkpoint.hpp>

using namespace program_test;
using dsr1::index_t;

namespace {

index_t newest(const fs::path& run) {
  const auto steps = dsr1::checkpoint::steps(run / "checkpoints");
  return steps.empty() ? 0 : steps.back();
}

bool is_saving(const fs::path& run) {
  std::error_code ignored;
  for (fs::directory_iterator at(run / "checkpoints", ignored), end; at != end;
       at.increment(ignored))
    if (at->path().extension() == ".tmp") return true;
  return false;
}

/// Lines in the metrics of a run that may be going on.
std::size_t lines(const fs::path& run) {
  const std::string all = read(run / "metrics.jsonl");
  return static_cast<std::size_t>(std::count(all.begin(), all.end(), '\n'));
}

void expect_same_end(const folder& f, const std::string& a, const std::string& b, index_t step) {
  for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
    const auto x = read(dsr1::checkpoint::path_of(f / (a + "/checkpoints"), step) / file);
    REQUIRE(x.size() > 1000);
    const bool same = x == read(dsr1::checkpoint::path_of(f / (b + "/checkpoints"), step) / file);
    INFO(file);
    CHECK(same);
  }
  CHECK(read(f / (a + "/result.json")) == read(f / (b + "/result.json")));
  CHECK(read(f / (a + "/experts.svg")) == read(f / (b + "/experts.svg")));
  // Every step stands in the metrics once, with the same loss.
  const auto losses = [&](const std::string& run) {
    std::vector<std::pair<index_t, double>> out;
    for (const auto& r : dsr1::read_metrics((f / (run + "/metrics.jsonl")).string()))
      if (const double loss = r.get("loss"); std::isfinite(loss)) out.emplace_back(r.step, loss);
    return out;
  };
  CHECK(losses(a) == losses(b));
  CHECK(static_cast<index_t>(losses(a).size()) == step);
}

}  // namespace

TEST_CASE("interrupted: killed at random moments and resumed, the run ends with the same bytes") {
  const folder f;
  make_data(f);
  constexpr int steps = 24;
  REQUIRE(run(f, small_run("whole", steps)) == 0);

  const dsr1::random_stream random(7);
  int kills = 0, while_saving = 0;
  for (int attempt = 0; newest(f / "killed") < steps; ++attempt) {
    // After 20 kills it may end in peace: however slow the machine is, the test comes to an end.
    REQUIRE(attempt < 40);
    const bool begun = fs::exists(f / "killed/run.json");
    const auto draw = [&](std::uint64_t which, std::uint64_t below) {
      return random.below(10 * static_cast<std::uint64_t>(attempt) + which, below);
    };
    const std::string every = dsr1::text("--save-steps ", 1 + draw(0, 2));
    process p(f, begun ? "pretrain --out killed --resume --threads 2 " + every
                       : small_run("killed", steps, every));
    if (attempt < 20) {
      // A kill comes some steps after the last one: at once, a little later, or in the middle of
      // the next save.
      const index_t from = newest(f / "killed") + static_cast<index_t>(draw(1, 3));
      const bool in_save = draw(2, 2) == 0;
      p.wait_until(
          [&] { return newest(f / "killed") >= from && (!in_save || is_saving(f / "killed")); });
      std::this_thread::sleep_for(std::chrono::microseconds(draw(3, in_save ? 2000 : 30000)));
      p.send(SIGKILL);
    }
    const int status = p.wait();
    INFO(read(f / "err.txt"));
    REQUIRE((status == 0 || status == -SIGKILL));
    kills += status == -SIGKILL;
    while_saving += status == -SIGKILL && is_saving(f / "killed");
  }
  // Killed while it evaluates, or not: the last word has the run that is let be.
  REQUIRE(run(f, "pretrain --out killed --resume --threads 2") == 0);
  INFO(kills << " kills, " << while_saving << " of them left half a checkpoint");
  CHECK(kills >= 3);
  expect_same_end(f, "whole", "killed", steps);
}

TEST_CASE("interrupted: SIGINT and SIGTERM save, say how to go on, and lose nothing") {
  const folder f;
  make_data(f);
  constexpr int steps = 120;
  REQUIRE(run(f, small_run("whole", steps)) == 0);

  {
    process p(f, small_run("asked", steps));
    REQUIRE(p.wait_until([&] { return lines(f / "asked") >= 3; }));
    p.send(SIGINT);
    CHECK(p.wait() == 130);
  }
  CHECK(mentions(read(f / "out.txt"), "stopped at step ", "saved",
                 "deepseek_r1 pretrain --out asked --resume"));
  CHECK(read(f / "err.txt").empty());
  const index_t first = newest(f / "asked");
  CHECK(first >= 2);
  REQUIRE(first < steps);
  const std::size_t before = lines(f / "asked");
  {
    process p(f, "pretrain --out asked --resume --threads 2");
    REQUIRE(p.wait_until([&] { return lines(f / "asked") >= before + 3; }));
    p.send(SIGTERM);
    CHECK(p.wait() == 128 + SIGTERM);
  }
  CHECK(mentions(read(f / "out.txt"), dsr1::text("resumed at step ", first, " of 120")));
  CHECK(newest(f / "asked") > first);
  REQUIRE(run(f, "pretrain --out asked --resume --threads 2") == 0);
  expect_same_end(f, "whole", "asked", steps);
}

TEST_CASE("interrupted: the number of threads changes no byte") {
  const folder f;
  make_data(f);
  REQUIRE(run(f, small_run("two", 8)) == 0);
  REQUIRE(run(f, small_run("one", 8, "--threads 1")) == 0);
  REQUIRE(run(f, small_run("three", 8, "--threads 3")) == 0);
  expect_same_end(f, "two", "one", 8);
  expect_same_end(f, "two", "three", 8);
}

TEST_CASE("interrupted: a full disk while saving leaves the older checkpoint") {
  const folder f;
  make_data(f);
  {
    process p(f, small_run("run", 100000));
    REQUIRE(p.wait_until([&] { return lines(f / "run") >= 2; }));
    p.send(SIGINT);
    REQUIRE(p.wait() == 130);
  }
  const index_t step = newest(f / "run");
  REQUIRE(step >= 2);
  CHECK(run(f, "pretrain --out run --resume --save-steps 1", 200'000) == 1);
  CHECK(mentions(read(f / "err.txt"), "cannot write ", "run/checkpoints/step-", "File too large"));
  CHECK(dsr1::checkpoint::steps(f / "run/checkpoints") == std::vector<index_t>{step});
  CHECK_FALSE(is_saving(f / "run"));
  CHECK(run(f, "generate run --tokens 3") == 0);
}
