// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Files of examples from tasks and from sampled answers.

#include <set>

#include "program.hpp"

#include <dsr1/data/dialogue_file.hpp>

using namespace program_test;

namespace {

std::set<std::string> prompts(const fs::path& path) {
  std::set<std::string> out;
  dsr1::for_each_json_line(
      path.string(), [&](const dsr1::json_object& o) { out.insert(dsr1::dialogue_of(o)[0].text); });
  return out;
}

}  // namespace

TEST_CASE("examples: problems of a task with their solutions, the splits apart") {
  const folder f;
  for (const char* task : {"arithmetic", "countdown"}) {
    const std::string of = dsr1::text("examples --task ", task, " --out ");
    REQUIRE(run(f, of + "train.jsonl --count 200") == 0);
    CHECK(mentions(read(f / "out.txt"), "train.jsonl: 200 problems of ", task, "split train"));
    REQUIRE(run(f, of + "test.jsonl --count 50 --test") == 0);
    const auto train = prompts(f / "train.jsonl"), test = prompts(f / "test.jsonl");
    CHECK(train.size() > 150);
    for (const std::string& p : test) CHECK_FALSE(train.contains(p));
    const std::string first = read(f / "train.jsonl");
    REQUIRE(run(f, of + "train.jsonl --count 200") == 0);
    CHECK(read(f / "train.jsonl") == first);
    REQUIRE(run(f, of + "train.jsonl --count 200 --task-options {\"seed\":1}") == 0);
    CHECK(read(f / "train.jsonl") != first);
  }
}

TEST_CASE("examples: sampled answers that reached all levels") {
  const folder f;
  write(f / "sampled.jsonl",
        R"({"prompt": "1+1:", "answer": "1+1=2", "reached": [true, true, true]})"
        "\n"
        R"({"prompt": "1+1:", "answer": "1+1=2", "reached": [true, true, true]})"
        "\n"
        R"({"prompt": "1+1:", "answer": "1+1=3", "reached": [true, true, false]})"
        "\n");
  REQUIRE(run(f, "examples --sampled sampled.jsonl --out kept.jsonl --most 2") == 0);
  CHECK(read(f / "kept.jsonl") == dsr1::dialogue_line("1+1:", "1+1=2"));
  CHECK(mentions(read(f / "out.txt"), "kept.jsonl: 1 answers kept of 3 to 1 of 1 prompts",
                 "1 rejected, 1 duplicates"));

  write(f / "broken.jsonl", "{\"prompt\": \"1\"}\n");
  CHECK(run(f, "examples --sampled broken.jsonl --out broken.out") == 1);
  CHECK(mentions(read(f / "err.txt"), "broken.jsonl:1: \"answer\" is missing"));
  CHECK_FALSE(fs::exists(f / "broken.out"));
  CHECK(run(f, "examples --out x") > 1);
  CHECK(run(f, "examples --task chess --out x") > 1);
  CHECK(run(f, "examples --task countdown --sampled sampled.jsonl --out x") > 1);
}
