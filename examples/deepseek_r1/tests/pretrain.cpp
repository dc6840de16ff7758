// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The whole path as a user runs it, in seconds; and what it says to bad input.

#include "program.hpp"

#include <dsr1/data/manifest.hpp>
#include <dsr1/io/json.hpp>
#include <dsr1/monitor/metrics.hpp>
#include <dsr1/train/checkpoint.hpp>

using namespace program_test;
using dsr1::index_t;

namespace {

void edit(const fs::path& file, const std::function<void(std::string&)>& change) {
  std::string s = read(file);
  change(s);
  write(file, s);
}

void flip(const fs::path& file) {
  edit(file, [](std::string& s) { s[s.size() / 2] = static_cast<char>(s[s.size() / 2] ^ 1); });
}

/// Copies the folder "run" anew as "copy".
void copy(const folder& f) {
  fs::remove_all(f / "copy");
  fs::copy(f / "run", f / "copy", fs::copy_options::recursive);
}

std::string said(const folder& f, const std::string& arguments) {
  const int status = run(f, arguments);
  const std::string err = read(f / "err.txt");
  INFO(err);
  CHECK(status == 1);
  CHECK(err.starts_with("deepseek_r1: "));
  CHECK(std::count(err.begin(), err.end(), '\n') == 1);
  return err;
}

}  // namespace

TEST_CASE("pretrain: from text to text") {
  const folder f;
  make_data(f);
  const int status =
      run(f, small_run("run", 20, "--rate 1e-2 --save-steps 5 --sample This --sample Document"));
  INFO(read(f / "err.txt"));
  REQUIRE(status == 0);
  const std::string out = read(f / "out.txt");
  CHECK(read(f / "err.txt").empty());
  CHECK(mentions(out, "20 steps of 128 tokens", "train 20/20 (100%)", "loss ", "tok/s", "MaxVio",
                 "step 2: ", "bits per byte on a part of the held-out text", "score "));
  CHECK(mentions(out, "Bits per byte of held-out text", "unigram model", "gzip -9", "xz -9",
                 "this model", "as one stream", "bits than unigram model"));
  CHECK(mentions(out, "Load of the experts", "layer 0 ", "layer 1 ", "load / mean"));
  CHECK(mentions(out, "What it writes after \"This\":\n\nThis",
                 "What it writes after \"Document\":\n\nDocument", "Files in run: loss.svg"));

  const auto manifest = dsr1::read_manifest(f / "data");
  const auto result = dsr1::json_object::read((f / "run/result.json").string());
  const double bits = result.get<double>("bits_per_byte");
  CHECK(bits > 0.1);
  CHECK(bits < 8);
  CHECK(result.get<index_t>("tokens") == 20 * 128);
  CHECK(result.object("held_out").get<index_t>("bytes") == manifest.held_out.bytes);
  CHECK(result.object("baselines").value() == manifest.baselines);
  for (const char* picture : {"loss.svg", "experts.svg"})
    CHECK(mentions(read(f / "run" / picture), "<svg xmlns=", "</svg>"));
  const auto metrics = dsr1::read_metrics((f / "run/metrics.jsonl").string());
  CHECK(metrics.size() == 20 + 9);
  CHECK(metrics.back().step == 20);
  CHECK(metrics.back().get("loss") < metrics.front().get("loss"));
  CHECK(dsr1::checkpoint::steps(f / "run/checkpoints") == std::vector<index_t>{15, 20});

  // Other commands on the run.
  REQUIRE(run(f, "info run") == 0);
  CHECK(mentions(read(f / "out.txt"), "size nano, 20 of 20 steps", "newest checkpoint: step 20"));
  REQUIRE(run(f, "info") == 0);
  CHECK(mentions(read(f / "out.txt"), "demo", "large", "116.79 B", "128 experts, top-4"));

  // Finished is finished: to resume only shows it again.
  const std::string figures = read(f / "run/result.json");
  REQUIRE(run(f, "pretrain --out run --resume") == 0);
  CHECK(mentions(read(f / "out.txt"), "resumed at step 20 of 20", "Load of the experts"));
  CHECK(read(f / "run/result.json") == figures);
  CHECK(dsr1::read_metrics((f / "run/metrics.jsonl").string()).size() == metrics.size());
}

TEST_CASE("pretrain: as many steps as fit into some minutes") {
  const folder f;
  make_data(f);
  REQUIRE(
      run(f,
          "pretrain --data data --out run --size nano --tokens 128 --length 64 --minutes 1e-6") ==
      0);
  CHECK(mentions(read(f / "out.txt"), "measuring the speed of a step", "; 10 steps of 128 tokens"));
}

TEST_CASE("generate: the seed decides, temperature 0 is greedy, prompts are checked") {
  const folder f;
  make_data(f);
  REQUIRE(run(f, small_run("run", 30, "--rate 1e-2 --save-steps 15")) == 0);
  const auto text = [&](const std::string& more) {
    const int status = run(f, "generate run --tokens 30 " + more);
    INFO(read(f / "err.txt"));
    REQUIRE(status == 0);
    CHECK(mentions(read(f / "err.txt"), "prompt tokens in ", "tokens/s]"));
    return read(f / "out.txt");
  };
  const std::string one = text("--prompt This --seed 1");
  CHECK(one.starts_with("This"));
  CHECK(text("--prompt This --seed 1") == one);
  CHECK(text("--prompt This --seed 1 --threads 1") == one);
  CHECK(text("--prompt This --seed 2") != one);
  const std::string greedy = text("--prompt This --temperature 0 --seed 1");
  CHECK(text("--prompt This --temperature 0 --seed 2") == greedy);
  CHECK(text("--prompt This --top-k 1 --seed 3") == greedy);
  CHECK(text("--prompt This --step 15 --seed 1").starts_with("This"));
  CHECK(text("").size() > 1);  // no prompt: a document from its beginning
  CHECK(run(f, "generate run --tokens 2 --prompt \u65e5\u672c") == 0);

  CHECK(mentions(said(f, "generate run --tokens 16384"), "a prompt of 1 tokens and 16384 more",
                 "the model's context is 16384"));
  CHECK(mentions(said(f, "generate run --step 16"), "run has no checkpoint of step 16",
                 "the newest is 30"));
  CHECK(run(f, "generate nowhere") > 1);  // the options' own errors
  CHECK(run(f, "generate run --temperature -1") > 1);
  fs::create_directories(f / "empty");
  CHECK(mentions(said(f, "generate empty"), "cannot open empty/run.json"));

  // What generates must be what was trained.
  copy(f);
  flip(dsr1::checkpoint::path_of(f / "copy/checkpoints", 30) / "model.safetensors");
  CHECK(mentions(said(f, "generate copy"), "model.safetensors was truncated or edited"));
  fs::remove_all(f / "copy/checkpoints");
  CHECK(mentions(said(f, "generate copy"), "copy has no checkpoint yet"));
  edit(f / "data/tokenizer.model", [](std::string& s) { s += "x"; });
  CHECK(mentions(said(f, "generate run"), "tokenizer.model was edited"));
}

TEST_CASE("pretrain: mistakes end with 1 and a reason") {
  const folder f;
  make_data(f);
  REQUIRE(run(f, small_run("run", 4)) == 0);
  const std::string resume = "pretrain --out copy --resume";

  CHECK(mentions(said(f, small_run("run", 4)), "run holds a run already", "--resume"));
  CHECK(mentions(said(f, "pretrain --out nowhere --resume"), "nowhere has no run.json"));
  CHECK(run(f, resume + " --steps 9") > 1);  // what a run began with stays
  CHECK(mentions(read(f / "err.txt"), "excludes"));
  CHECK(run(f, "pretrain --data data --out x --steps 0") > 1);
  CHECK(run(f, "pretrain --data data --out x") > 1);
  CHECK(run(f, "pretrain --data data --out x --steps 4 --size vast") > 1);

  // Data that is missing, changed, or of another run. Nothing stays behind.
  CHECK(mentions(said(f, "pretrain --data missing --out x --steps 4"), "cannot open ",
                 "missing/manifest.json"));
  CHECK(mentions(said(f, "pretrain --data data --out x --steps 4 --tokens 1000000"),
                 "the data set has ", "one batch for each of 1 ranks needs 1000000"));
  CHECK_FALSE(fs::exists(f / "x"));
  copy(f);
  fs::rename(f / "data", f / "hidden");
  CHECK(mentions(said(f, resume), "data/manifest.json"));
  REQUIRE(run(f, "prepare --out data --vocab 512 --held-out 0.3 in") == 0);
  CHECK(mentions(said(f, resume), "is of other data than the run began with"));
  REQUIRE(run(f, "prepare --out data --vocab 512 --held-out 0 in") == 0);
  CHECK(mentions(said(f, "pretrain --data data --out x --size nano --steps 4"),
                 "data has no held-out text"));
  fs::remove_all(f / "data");
  fs::rename(f / "hidden", f / "data");
  REQUIRE(run(f, resume) == 0);
  const std::string shard = read(f / "data/train-00000.tokens");
  flip(f / "data/train-00000.tokens");
  CHECK(mentions(said(f, resume), "train-00000.tokens was damaged or edited"));
  write(f / "data/train-00000.tokens", shard.substr(0, shard.size() / 2));
  CHECK(mentions(said(f, resume), "train-00000.tokens", "was it truncated?"));
  fs::remove(f / "data/train-00000.tokens");
  CHECK(mentions(said(f, resume), "train-00000.tokens"));
  write(f / "data/train-00000.tokens", shard);

  // A checkpoint that is damaged, or of another shape.
  const auto path = dsr1::checkpoint::path_of(f / "copy/checkpoints", 4);
  flip(path / "optimizer.safetensors");
  CHECK(mentions(said(f, resume), "optimizer.safetensors was truncated or edited"));
  copy(f);
  edit(path / "model.safetensors", [](std::string& s) { s.resize(s.size() - 100); });
  CHECK(mentions(said(f, resume), "model.safetensors was truncated or edited"));
  copy(f);
  edit(f / "copy/run.json",
       [](std::string& s) { s.replace(s.find("\"hidden\": 16"), 12, "\"hidden\": 32"); });
  CHECK(mentions(said(f, resume), "layers.0.moe.experts.up", "[131072]", "262144"));
  copy(f);
  write(f / "copy/run.json", "{\"format\": 1");
  CHECK(mentions(said(f, resume), "copy/run.json", "not valid JSON"));
  fs::remove(f / "copy/run.json");
  CHECK(mentions(said(f, resume), "copy has no run.json"));
}

TEST_CASE("pretrain: a rate that is too high is named, and the last good checkpoint stays") {
  const folder f;
  make_data(f);
  const std::string first = said(f, small_run("wild", 40, "--rate 1e38"));
  CHECK(mentions(first, "step ", "not finite", "no checkpoint was saved before"));

  // Trained well so far, then wildly: back to what was good.
  {
    process p(f, small_run("run", 100000));
    REQUIRE(p.wait_until([&] { return read(f / "run/metrics.jsonl").size() > 500; }));
    p.send(SIGINT);
    REQUIRE(p.wait() == 130);
  }
  const auto before = dsr1::checkpoint::steps(f / "run/checkpoints");
  REQUIRE(before.size() == 1);
  const std::string weights =
      read(dsr1::checkpoint::path_of(f / "run/checkpoints", before[0]) / "model.safetensors");
  const std::string err = said(f, "pretrain --out run --resume --rate 1e38");
  CHECK(mentions(err, "not finite", "the last good checkpoint is of step ",
                 "go on with --resume and a --rate below 1e+38"));
  CHECK(dsr1::checkpoint::steps(f / "run/checkpoints") == before);
  const bool same = weights == read(dsr1::checkpoint::path_of(f / "run/checkpoints", before[0]) /
                                    "model.safetensors");
  CHECK(same);
  // What the message proposes works.
  process p(f, "pretrain --out run --resume --rate 1e-3 --save-steps 1");
  CHECK(p.wait_until(
      [&] { return dsr1::checkpoint::steps(f / "run/checkpoints").back() > before[0]; }));
}

TEST_CASE("pretrain: two processes do not train one run") {
  const folder f;
  make_data(f);
  process p(f, small_run("run", 100000));
  REQUIRE(p.wait_until([&] { return fs::exists(f / "run/metrics.jsonl"); }));
  const folder other;
  CHECK(run(other, "pretrain --resume --out " + (f / "run").string()) == 1);
  CHECK(mentions(read(other / "err.txt"), "is being trained by somebody else"));
}
