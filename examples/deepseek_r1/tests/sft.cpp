// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Fine-tuning as a user runs it: what it writes, that it learns, that no kill changes a byte of it,
// and what it says to bad input.

#include "program.hpp"

#include <dsr1/core/random.hpp>
#include <dsr1/data/dialogue_file.hpp>
#include <dsr1/io/json.hpp>
#include <dsr1/monitor/metrics.hpp>
#include <dsr1/train/checkpoint.hpp>

using namespace program_test;
using dsr1::index_t;

namespace {

/// A short run of pre-training in "base", and the sums of "sums.jsonl".
void make_base(const folder& f) {
  make_data(f);
  REQUIRE(run(f, small_run("base", 6)) == 0);
  REQUIRE(run(f, "examples --task arithmetic --count 120 --out sums.jsonl") == 0);
}

std::string tune(const std::string& out, const std::string& more) {
  return dsr1::text("sft --from base --examples sums.jsonl --out ", out,
                    " --tokens 128 --length 64 --threads 2 ", more);
}

void expect_success(const folder& f, const std::string& arguments) {
  const int status = run(f, arguments);
  INFO(arguments << ": " << read(f / "err.txt"));
  REQUIRE(status == 0);
}

std::string said(const folder& f, const std::string& arguments) {
  const int status = run(f, arguments);
  std::string err = read(f / "err.txt");
  INFO(err);
  CHECK(status == 1);
  CHECK(std::count(err.begin(), err.end(), '\n') == 1);
  return err;
}

std::vector<std::pair<index_t, double>> numbers(const fs::path& run, const char* name) {
  std::vector<std::pair<index_t, double>> out;
  for (const auto& r : dsr1::read_metrics((run / "metrics.jsonl").string()))
    if (const double v = r.get(name); std::isfinite(v)) out.emplace_back(r.step, v);
  return out;
}

index_t newest(const fs::path& run) {
  const auto steps = dsr1::checkpoint::steps(run / "checkpoints");
  return steps.empty() ? -1 : steps.back();
}

std::string weights(const fs::path& run) {
  std::string all =
      read(dsr1::checkpoint::path_of(run / "checkpoints", newest(run)) / "model.safetensors");
  REQUIRE(all.size() > 1000);
  return all;
}

/// Both runs ended with the same bytes, and so did the best of each.
void expect_same_end(const folder& f, const std::string& a, const std::string& b) {
  for (const char* part : {"", "/best"}) {
    INFO(a << part);
    REQUIRE(newest(f / (a + part)) == newest(f / (b + part)));
    for (const char* file : {"model.safetensors", "optimizer.safetensors", "state.json"}) {
      const auto of = [&](const std::string& run) {
        const fs::path path = f / (run + part);
        return read(dsr1::checkpoint::path_of(path / "checkpoints", newest(path)) / file);
      };
      INFO(file);
      const bool same = of(a) == of(b);
      CHECK(same);
    }
  }
  CHECK(read(f / (a + "/result.json")) == read(f / (b + "/result.json")));
  for (const char* name : {"loss", "validation_loss"})
    CHECK(numbers(f / a, name) == numbers(f / b, name));
}

}  // namespace

TEST_CASE("sft: from a run and examples to a run") {
  const folder f;
  make_base(f);
  expect_success(f, tune("tuned", "--epochs 2 --rate 3e-3 --sample 1+2:"));
  const std::string out = read(f / "out.txt");
  CHECK(read(f / "err.txt").empty());
  CHECK(mentions(out, "steps of 128 tokens", "step 0: validation loss ", "the best so far",
                 "train ", "Load of the experts", " examples, ", " tokens learned; ",
                 "What it writes after \"1+2:\":\n\n1+2:", "Best: step ", "in tuned/best",
                 "Files in tuned: loss.svg"));
  const auto result = dsr1::json_object::read(f / "tuned/result.json");
  const index_t steps = result.get<index_t>("steps");
  CHECK(newest(f / "tuned") == steps);
  CHECK(result.get<index_t>("examples") + result.get<index_t>("validation_examples") == 120);
  CHECK(result.get<index_t>("validation_examples") > 0);
  CHECK(result.get<double>("max_violation") > 0);
  const auto loss = numbers(f / "tuned", "loss"), checked = numbers(f / "tuned", "validation_loss");
  CHECK(static_cast<index_t>(loss.size()) == steps);
  CHECK(checked.front().first == 0);
  CHECK(checked.back().first == steps);
  CHECK(checked.back().second < checked.front().second);
  CHECK(result.get<double>("validation_loss") == checked.back().second);
  // Two epochs: every learned token twice.
  std::string learned = out.substr(out.find(" examples, ") + 11);
  CHECK(result.get<index_t>("tokens") == 2 * std::stoll(learned));
  for (const char* picture : {"loss.svg", "experts.svg"})
    CHECK(mentions(read(f / "tuned" / picture), "<svg xmlns=", "</svg>"));

  // It is a run like any other; and so is its best.
  for (const std::string one : {"tuned", "tuned/best"}) {
    expect_success(f, "generate " + one + " --prompt 1+2: --tokens 5 --temperature 0");
    CHECK(read(f / "out.txt").starts_with("1+2:"));
    expect_success(f, "export " + one + " oss");
    expect_success(f, "info " + one);
  }
  CHECK(mentions(read(f / "out.txt"), "size nano"));
  expect_success(f, "sft --from tuned --examples sums.jsonl --out again --steps 2 --tokens 128");

  // It needs what it began with no more; finished is finished.
  const std::string before = weights(f / "tuned"), figures = read(f / "tuned/result.json");
  fs::remove_all(f / "base");
  expect_success(f, "sft --out tuned --resume");
  CHECK(mentions(read(f / "out.txt"), dsr1::text("resumed at step ", steps, " of ", steps)));
  CHECK(read(f / "tuned/result.json") == figures);
  CHECK(mentions(said(f, "pretrain --out tuned --resume"), "tuned is a run of sft",
                 "not by pretrain"));
}

TEST_CASE("sft: it begins with the weights of the other run, or from nothing, and learns answers") {
  const folder f;
  make_base(f);
  // No step has been done: step 0 is the other run.
  expect_success(f, tune("tuned", "--steps 1 --rate 1e-30 --save-steps 1"));
  const auto base = dsr1::checkpoint::path_of(f / "base/checkpoints", 6) / "model.safetensors";
  const auto begun = dsr1::checkpoint::path_of(f / "tuned/checkpoints", 0) / "model.safetensors";
  const bool same = read(base) == read(begun);
  CHECK(same);

  std::string lines;
  const std::vector<std::string> words = {"corpus", "document", "number", "sentence"};
  for (std::size_t i = 0; i < words.size(); ++i)
    lines += dsr1::dialogue_line(dsr1::text("word", i, "?"), words[i]);
  write(f / "words.jsonl", lines);
  expect_success(f,
                 "sft --data data --size nano --examples words.jsonl --validation words.jsonl "
                 "--out words --steps 150 --tokens 64 --length 32 --rate 1e-2 --threads 2");
  for (std::size_t i = 0; i < words.size(); ++i) {
    expect_success(f, dsr1::text("generate words --prompt word", i, "? --temperature 0"));
    CHECK(read(f / "out.txt") == dsr1::text("word", i, "?", words[i], "\n"));
  }
}

TEST_CASE("sft: killed at random moments and resumed, it ends with the same bytes") {
  const folder f;
  make_base(f);
  const std::string how = "--steps 30 --evaluate-steps 3 --patience 0 --rate 1e-2 ";
  expect_success(f, tune("whole", how));
  const dsr1::random_stream random(11);
  int kills = 0;
  for (int attempt = 0; newest(f / "killed") < 30; ++attempt) {
    REQUIRE(attempt < 40);
    const auto draw = [&](std::uint64_t which, std::uint64_t below) {
      return random.below(10 * static_cast<std::uint64_t>(attempt) + which, below);
    };
    const std::string every = dsr1::text("--save-steps ", 1 + draw(0, 3));
    process p(f, fs::exists(f / "killed/run.json")
                     ? "sft --out killed --resume --threads 2 " + every
                     : tune("killed", how + every));
    if (attempt < 20) {
      const index_t from = newest(f / "killed") + static_cast<index_t>(draw(1, 3));
      p.wait_until([&] { return newest(f / "killed") >= from; });
      std::this_thread::sleep_for(std::chrono::microseconds(draw(2, 20000)));
      p.send(SIGKILL);
    }
    const int status = p.wait();
    INFO(read(f / "err.txt"));
    REQUIRE((status == 0 || status == -SIGKILL));
    kills += status == -SIGKILL;
  }
  expect_success(f, "sft --out killed --resume --threads 2");
  CHECK(kills >= 3);
  expect_same_end(f, "whole", "killed");
}

TEST_CASE("sft: killed before the first checkpoint, it begins with the same weights again") {
  const folder f;
  make_base(f);
  expect_success(f, tune("whole", "--steps 4"));
  for (const char* run : {"again", "other"}) {
    fs::create_directories(f / run);
    fs::copy(f / "whole/run.json", f / (std::string(run) + "/run.json"));
  }
  expect_success(f, "sft --out again --resume --threads 2");
  expect_same_end(f, "whole", "again");
  const auto path = dsr1::checkpoint::path_of(f / "base/checkpoints", 6) / "model.safetensors";
  write(path, read(path) + "x");
  CHECK(mentions(said(f, "sft --out other --resume"), "base/checkpoints/step-00000006",
                 "is another checkpoint than the run began with"));
}

TEST_CASE("sft: SIGINT saves, says how to go on, and loses nothing") {
  const folder f;
  make_base(f);
  const std::string how = "--steps 150 --patience 0 ";
  expect_success(f, tune("whole", how));
  {
    process p(f, tune("asked", how));
    REQUIRE(p.wait_until([&] { return read(f / "asked/metrics.jsonl").size() > 500; }));
    p.send(SIGINT);
    CHECK(p.wait() == 130);
  }
  CHECK(mentions(read(f / "out.txt"), "stopped at step ", "deepseek_r1 sft --out asked --resume"));
  expect_success(f, "sft --out asked --resume --threads 1");
  expect_same_end(f, "whole", "asked");
}

TEST_CASE("sft: it ends early when validation gets worse, and keeps the best") {
  const folder f;
  make_base(f);
  // Two prompts, learned with one answer and validated with another.
  write(f / "one.jsonl", dsr1::dialogue_line("a?", "corpus") + dsr1::dialogue_line("b?", "corpus"));
  write(f / "other.jsonl", dsr1::dialogue_line("a?", "7 9 3 1 4"));
  const std::string how =
      "sft --from base --examples one.jsonl --validation other.jsonl --steps 400 --tokens 64 "
      "--length 32 --rate 1e-2 --evaluate-steps 5 --patience 2 --threads 2 --out ";
  expect_success(f, how + "early");
  CHECK(mentions(read(f / "out.txt"), "stopped early: 2 evaluations without an improvement"));
  const auto result = dsr1::json_object::read(f / "early/result.json");
  const index_t best = result.get<index_t>("best_step"), last = result.get<index_t>("steps");
  CHECK(last < 400);
  CHECK(last == best + 10);
  CHECK(newest(f / "early") == last);
  CHECK(dsr1::checkpoint::steps(f / "early/best/checkpoints") == std::vector<index_t>{best});
  CHECK(result.get<double>("best_validation_loss") < result.get<double>("validation_loss"));
  // Over is over.
  const std::string figures = read(f / "early/result.json");
  expect_success(f, "sft --out early --resume --threads 2");
  CHECK(mentions(read(f / "out.txt"), "stopped early"));
  CHECK(newest(f / "early") == last);
  CHECK(read(f / "early/result.json") == figures);
}

TEST_CASE("sft: any number of ranks has the curve of one, and goes on after a kill") {
  const folder f;
  make_base(f);
  const std::string how = "--steps 10 --rate 3e-3 ";
  expect_success(f, tune("one", how));
  const auto curve = numbers(f / "one", "loss"), checked = numbers(f / "one", "validation_loss");
  for (const char* way :
       {"--ranks 2", "--ranks 3 --shard-optimizer", "--ranks 2 --expert-ranks 0"}) {
    INFO(way);
    expect_success(f, tune("many", how + way));
    CHECK(mentions(read(f / "out.txt"), "ranks of "));
    const auto other = numbers(f / "many", "loss"), seen = numbers(f / "many", "validation_loss");
    REQUIRE(other.size() == curve.size());
    REQUIRE(seen.size() == checked.size());
    for (std::size_t i = 0; i < curve.size(); ++i)
      CHECK(std::abs(other[i].second - curve[i].second) < 1e-4);
    for (std::size_t i = 0; i < seen.size(); ++i)
      CHECK(std::abs(seen[i].second - checked[i].second) < 1e-4);
    fs::remove_all(f / "many");
  }
  expect_success(f, tune("whole", "--steps 40 --ranks 2"));
  {
    process p(f, tune("killed", "--steps 40 --ranks 2 --save-steps 4"));
    p.wait_until([&] { return newest(f / "killed") >= 8; });
    p.send(SIGKILL);
    p.wait();
  }
  expect_success(f, "sft --out killed --resume --ranks 2 --threads 2");
  expect_same_end(f, "whole", "killed");
}

#ifdef DEEPSEEK_R1_MPIRUN
TEST_CASE("sft: mpirun gives the bits of threads") {
  const folder f;
  make_base(f);
  expect_success(f, tune("whole", "--steps 6 --ranks 2"));
  const int status =
      std::system(dsr1::text("cd ", f.path.string(), " && timeout 120 ", DEEPSEEK_R1_MPIRUN, " 2 ",
                             DEEPSEEK_R1, " ", tune("mpi", "--steps 6"), " > out.txt 2> err.txt")
                      .c_str());
  INFO(read(f / "err.txt"));
  REQUIRE(status == 0);
  expect_same_end(f, "whole", "mpi");
}
#endif

TEST_CASE("sft: a template is data, and stays with the run") {
  const folder f;
  make_base(f);
  write(f / "chat.json",
        R"({"user": {"before": "<|user|>"}, "assistant": {"before": "<|assistant|>"},)"
        R"( "symbols": ["<|user|>", "<|assistant|>"], "end": "<|end|>"})");
  std::string lines;
  for (int i = 0; i < 20; ++i)
    lines += dsr1::text(R"({"messages": [{"role": "user", "content": "say )", i,
                        R"("}, {"role": "assistant", "content": "number )", i, "\"}]}\n");
  write(f / "chat.jsonl", lines);
  expect_success(f,
                 "sft --from base --examples chat.jsonl --template chat.json --validation-share 0 "
                 "--out chat --steps 6 --tokens 128 --length 64 --save-steps 2 --sample hello");
  CHECK_FALSE(fs::exists(f / "chat/best"));
  CHECK(numbers(f / "chat", "validation_loss").empty());
  CHECK(mentions(read(f / "out.txt"), "What it writes after \"hello\":"));
  fs::remove(f / "chat.json");
  expect_success(f, "sft --out chat --resume");
  const auto o = dsr1::json_object::read(f / "chat/run.json").object("fine_tuning");
  CHECK(dsr1::chat_template::from_json(o.object("template")).end == "<|end|>");
}

TEST_CASE("sft: mistakes end with 1 and a reason") {
  const folder f;
  make_base(f);
  const auto with = [&](const std::string& line, const std::string& more = "") {
    write(f / "bad.jsonl", dsr1::dialogue_line("a", "b") + line + "\n");
    return said(
        f, "sft --from base --examples bad.jsonl --out x --epochs 1 --validation-share 0 " + more);
  };
  CHECK(mentions(with("{\"prompt\": "), "bad.jsonl:2 is not valid JSON"));
  CHECK(mentions(with(R"({"prompt": "a", "answer": ""})"), "bad.jsonl:2: \"answer\" is empty"));
  CHECK(mentions(with(R"({"messages": [{"role": "usr", "content": "x"}]})"),
                 "bad.jsonl:2: \"messages\"[0]: \"role\": unknown role \"usr\"", "\"user\"?"));
  const std::string longer = dsr1::dialogue_line("a", std::string(40, 'z'));
  CHECK(mentions(with(longer, "--length 16"),
                 "bad.jsonl:2: an example of 42 rows, expected at "
                 "most 16"));
  write(f / "bad.json", R"({"usr": {"before": "x"}})");
  CHECK(mentions(with("", "--template bad.json"), "bad.json: unknown key \"usr\"",
                 "did you mean \"user\"?"));
  write(f / "bad.json", R"({"end": "<|stop|>"})");
  CHECK(mentions(with("", "--template bad.json"), "<|stop|>"));
  CHECK_FALSE(fs::exists(f / "x"));
  CHECK(mentions(said(f, tune("x", "--epochs 1 --validation-share 1e-9")),
                 "has no example for validation among 120", "--validation-share"));
  CHECK(mentions(said(f, "sft --from base --examples none.jsonl --out x --epochs 1"),
                 "cannot open ", "none.jsonl"));
  CHECK(run(f, "sft --examples sums.jsonl --out x --epochs 1") > 1);
  CHECK(run(f, "sft --from base --out x --epochs 1") > 1);
  CHECK(run(f, tune("x", "")) > 1);
  CHECK(run(f, tune("x", "--epochs 1 --size demo")) > 1);
  expect_success(f, "sft --from base --examples sums.jsonl --out cut --epochs 1 --length 8 --cut");
  CHECK(mentions(read(f / "out.txt"), " cut, "));

  expect_success(f, tune("tuned", "--epochs 1"));
  CHECK(mentions(said(f, tune("tuned", "--epochs 1")), "tuned holds a run already"));
  CHECK(mentions(said(f, "sft --out base --resume"), "base is a run of pretrain", "not by sft"));
  write(f / "sums.jsonl", read(f / "sums.jsonl") + dsr1::dialogue_line("1+1:", "1+1=2"));
  CHECK(mentions(said(f, "sft --out tuned --resume"), "sums.jsonl",
                 "holds other examples than the run began with"));
}
