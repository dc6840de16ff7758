// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The program with --device cuda, where a runtime of our own plays the device on the host.

#include "program.hpp"

#include <cmath>

#include <dsr1/monitor/metrics.hpp>
#include <dsr1/train/checkpoint.hpp>

using namespace program_test;
using dsr1::index_t;

namespace {

std::string said(const folder& f, const char* program, const std::string& arguments) {
  CHECK(process(f, arguments, 0, program).wait() != 0);
  return read(f / "err.txt") + read(f / "out.txt");
}

/// The losses of a run's steps.
std::vector<double> losses(const folder& f, const std::string& name) {
  std::vector<double> all;
  for (const auto& m : dsr1::read_metrics((f / name / "metrics.jsonl").string()))
    if (const double loss = m.get("loss"); !std::isnan(loss)) all.push_back(loss);
  return all;
}

}  // namespace

TEST_CASE("device: pretrain has the CPU's loss, goes on on the CPU, generates the same text") {
  const folder f;
  make_data(f);
  const auto on_device = [&](const std::string& arguments) {
    const int status = process(f, arguments, 0, DEEPSEEK_R1_HOST_CUDA).wait();
    INFO(read(f / "err.txt"));
    REQUIRE(status == 0);
    return read(f / "out.txt");
  };
  // [device]
  REQUIRE(run(f, small_run("cpu", 6, "--save-steps 3")) == 0);
  const std::string out = on_device(small_run("cuda", 6, "--save-steps 3 --device cuda"));
  CHECK(mentions(out, "6 steps of 128 tokens; CUDA device 0"));
  const auto here = losses(f, "cpu"), there = losses(f, "cuda");
  REQUIRE(here.size() == 6);
  REQUIRE(there.size() == 6);
  for (std::size_t i = 0; i < 6; ++i) CHECK(std::abs(here[i] - there[i]) < 1e-4 * here[i]);

  // From the third step on the CPU goes on.
  fs::remove_all(dsr1::checkpoint::path_of(f / "cuda/checkpoints", 6));
  REQUIRE(run(f, "pretrain --out cuda --resume --device cpu") == 0);
  CHECK(mentions(read(f / "out.txt"), "resumed at step 3 of 6"));
  // [/device]
  const auto resumed = losses(f, "cuda");
  REQUIRE(resumed.size() == 6);
  for (std::size_t i = 0; i < 6; ++i) CHECK(std::abs(here[i] - resumed[i]) < 1e-4 * here[i]);

  const std::string say = "generate cuda --prompt This --temperature 0 --tokens 5";
  REQUIRE(run(f, say) == 0);
  const std::string text = read(f / "out.txt");
  CHECK(on_device(say + " --device cuda") == text);
}

TEST_CASE("device: what is missing, unknown or not shared is said before anything is written") {
  const folder f;
  make_data(f);
  CHECK(mentions(said(f, DEEPSEEK_R1, small_run("run", 2, "--device cuda")),
                 "this program was built without CUDA; build the target deepseek_r1_cuda"));
  CHECK(mentions(said(f, DEEPSEEK_R1, small_run("run", 2, "--device tpu")),
                 "--device: tpu not in {cpu,cuda}"));
  CHECK(
      mentions(said(f, DEEPSEEK_R1_HOST_CUDA, small_run("run", 2, "--device cuda --ranks 2")),
               "--device cuda with 2 ranks, expected one: several ranks compute on the CPU only"));
  CHECK(!fs::exists(f / "run"));
}
