// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Lines of both kinds, what is wrong with a line, which dialogues validate.

#include "catch.hpp"
#include "folder.hpp"

#include <dsr1/data/dialogue_file.hpp>

using namespace dsr1;
using namespace data_test;

namespace {

std::vector<dialogue> dialogues_of(const fs::path& path) {
  std::vector<dialogue> all;
  for_each_json_line(path.string(), [&](const json_object& o) { all.push_back(dialogue_of(o)); });
  return all;
}

}  // namespace

TEST_CASE("dialogue_file: prompts with answers, and messages") {
  const folder f;
  write(f / "x.jsonl", dialogue_line("2+2=", "4\n\"four\"") + "\n" +
                           R"({"messages": [{"role": "system", "content": "be short"},)"
                           R"({"role": "user", "content": "hi"},)"
                           R"({"role": "assistant", "content": "ho"}]})"
                           "\r\n" +
                           R"({"prompt": "", "answer": "no line end"})");
  const std::vector<dialogue> all = dialogues_of(f / "x.jsonl");
  REQUIRE(all.size() == 3);
  CHECK(all[0] == dialogue{{chat_role::user, "2+2="}, {chat_role::assistant, "4\n\"four\""}});
  CHECK(all[1] == dialogue{{chat_role::system, "be short"},
                           {chat_role::user, "hi"},
                           {chat_role::assistant, "ho"}});
  CHECK(all[2][1].text == "no line end");
}

TEST_CASE("dialogue_file: what is wrong is named with file, line and key") {
  const folder f;
  const auto reading = [&](const std::string& line) {
    write(f / "x.jsonl", dialogue_line("a", "b") + line + "\n");
    return message_of([&] { dialogues_of(f / "x.jsonl"); });
  };
  const std::string place = (f / "x.jsonl").string() + ":2";
  CHECK(mentions(reading("{\"prompt\": "), place + " is not valid JSON"));
  CHECK(mentions(reading("[1]"), place + " is array, expected an object"));
  CHECK(mentions(reading(R"({"prompt": "a", "anwser": "b"})"), place + ": unknown key \"anwser\"",
                 "did you mean \"answer\"?"));
  CHECK(mentions(reading(R"({"prompt": "a"})"), place + ": \"answer\" is missing"));
  CHECK(mentions(reading(R"({"prompt": "a", "prompt": "b", "answer": "c"})"),
                 place + ": two members are called \"prompt\""));
  CHECK(mentions(reading(R"({"prompt": "a", "answer": ""})"),
                 place + ": \"answer\" is empty, expected text"));
  CHECK(mentions(reading(R"({"prompt": 1, "answer": "b"})"),
                 place + ": \"prompt\" is 1, expected text"));
  CHECK(
      mentions(reading(R"({"prompt": "a", "messages": []})"), place + ": unknown key \"prompt\""));
  CHECK(mentions(reading(R"({"messages": [{"role": "asistant", "content": "b"}]})"),
                 place + ": \"messages\"[0]: \"role\": unknown role \"asistant\"",
                 "did you mean \"assistant\"?"));
  CHECK(mentions(reading(R"({"messages": [{"role": "user", "contents": "b"}]})"),
                 place + ": \"messages\"[0]: unknown key \"contents\""));
  CHECK(mentions(reading(R"({"messages": [{"role": "user", "content": "b"}]})"),
                 place + ": \"messages\" has 1 members", "the last to be the assistant's"));
  CHECK(mentions(reading(R"({"messages": [{"role": "assistant", "content": ""}]})"),
                 place + ": \"messages\"[0]: \"content\" of the assistant is empty"));
  CHECK(
      mentions(reading("{\"prompt\": \"\xff\", \"answer\": \"b\"}"), place + " is not valid JSON"));
  CHECK(mentions(message_of([&] { dialogues_of(f / "missing.jsonl"); }), "cannot open ",
                 "missing.jsonl"));
}

TEST_CASE("dialogue_file: the prompt decides what validates") {
  index_t kept = 0;
  for (int i = 0; i < 4000; ++i) {
    const std::string prompt = text("question ", i);
    const dialogue one = {{chat_role::user, prompt}, {chat_role::assistant, "a"}},
                   other = {{chat_role::user, prompt},
                            {chat_role::assistant, "b"},
                            {chat_role::user, "c"},
                            {chat_role::assistant, "d"}};
    CHECK(is_validation(one, 0.1) == is_validation(other, 0.1));
    CHECK_FALSE(is_validation(one, 0));
    CHECK(is_validation(one, 1));
    if (is_validation(one, 0.1)) CHECK(is_validation(one, 0.2));
    kept += is_validation(one, 0.1);
  }
  CHECK(kept > 320);
  CHECK(kept < 480);
}
