// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Which sampled answers become examples.

#include "catch.hpp"
#include "folder.hpp"

#include <dsr1/data/rejection.hpp>

using namespace dsr1;
using namespace data_test;

namespace {

std::string sampled(const std::string& prompt, const std::string& answer, const char* reached) {
  return text(R"({"reward": 0.5, "prompt": ")", prompt, R"(", "answer": ")", answer,
              R"(", "reached": )", reached, "}\n");
}

}  // namespace

TEST_CASE("rejection: answers that reach all levels, once each, at most some of a prompt") {
  const folder f;
  write(f / "sampled.jsonl",
        sampled("p", "wrong", "[true, false]") + sampled("p", "one", "[true, true]") +
            sampled("q", "one", "[true, true]") + sampled("p", "one", "[true, true]") +
            sampled("p", "two", "[true, true]") + sampled("p", "three", "[true, true]") +
            sampled("r", "lost", "[false, true]"));
  // [reject]
  const rejection_report r =
      reject_answers((f / "sampled.jsonl").string(), f / "kept.jsonl", {.most = 2});
  // [/reject]
  CHECK(read(f / "kept.jsonl") ==
        dialogue_line("p", "one") + dialogue_line("q", "one") + dialogue_line("p", "two"));
  CHECK(r.read == 7);
  CHECK(r.rejected == 2);
  CHECK(r.duplicates == 1);
  CHECK(r.surplus == 1);
  CHECK(r.kept == 3);
  CHECK(r.prompts == 3);
  CHECK(r.solved == 2);
  std::size_t lines = 0;
  for_each_json_line((f / "kept.jsonl").string(), [&](const json_object& o) {
    CHECK(dialogue_of(o).size() == 2);
    ++lines;
  });
  CHECK(lines == 3);
}

TEST_CASE("rejection: what it refuses, and then no file appears") {
  const folder f;
  const auto reading = [&](const std::string& line) {
    write(f / "x.jsonl", sampled("p", "a", "[true, true]") + line);
    std::string m = message_of([&] { reject_answers((f / "x.jsonl").string(), f / "kept.jsonl"); });
    CHECK_FALSE(fs::exists(f / "kept.jsonl"));
    return m;
  };
  CHECK(mentions(reading("{\"prompt\": \"p\", \"answer\": \"b\"}\n"),
                 "x.jsonl:2: \"reached\" is missing"));
  CHECK(mentions(reading(sampled("p", "b", "true")), "x.jsonl:2: \"reached\" is true",
                 "a list of one or more levels"));
  CHECK(mentions(reading(sampled("p", "b", "[]")), "x.jsonl:2: \"reached\" is []"));
  CHECK(mentions(reading(sampled("p", "b", "[1, 1]")), "x.jsonl:2: \"reached\" has 1",
                 "true or false"));
  CHECK(mentions(reading(sampled("p", "b", "[true]")), "x.jsonl:2: \"reached\" has 1 levels",
                 "expected 2"));
  CHECK(mentions(reading(sampled("p", "", "[true, true]")), "x.jsonl:2: \"answer\" is empty"));
  CHECK(mentions(message_of([] { rejection_filter({.most = 0}); }), "at most 0 answers"));
}
