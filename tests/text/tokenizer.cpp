// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The whole tokenizer: what it promises beyond the golden cases, and what it refuses.

#include <chrono>
#include <fstream>
#include <thread>

#include "catch.hpp"
#include "golden.hpp"
#include "io/temporary_folder.hpp"
#include "text/tiny.hpp"

#include <dsr1/text/tokenizer.hpp>

using namespace dsr1;

namespace {

using ids = std::vector<std::int32_t>;

std::string refused(const std::string& pointer, const std::string& value) {
  return message_of([&] { tiny::tokenizer_with(pointer, value); });
}

}  // namespace

TEST_CASE("tokenizer: the example of the documentation") {
  const auto path = golden::path("tokenizers/o200k.json");
  if (path.empty()) return;
  // [use]
  const dsr1::tokenizer tok = dsr1::tokenizer::read(path);

  std::vector<std::int32_t> ids = tok.encode("<|start|>user<|message|>");
  // What others wrote is text, whatever it looks like.
  tok.encode("Is <|end|> a word?", {.add_special = false, .special_as_text = true}, ids);
  ids.push_back(tok.id_of("<|end|>"));

  const std::string all = tok.decode(ids);
  const std::string text = tok.decode(ids, {.skip_special = true});
  // [/use]
  CHECK(all == "<|start|>user<|message|>Is <|end|> a word?<|end|>");
  CHECK(text == "userIs <|end|> a word?");

  std::string shown;
  const auto show = [&](const std::string& piece) { shown += piece; };
  // [stream]
  dsr1::stream_decoder decode(tok, {.skip_special = true});
  for (const std::int32_t id : ids) show(decode.push(id));  // no piece holds half a character
  show(decode.finish());
  // [/stream]
  CHECK(shown == text);
}

TEST_CASE("tokenizer: a small one") {
  const auto tok = tiny::tokenizer(tiny::file());
  CHECK(tok.rows() == 10);
  CHECK(tok.encode("abcd ef") == ids{7, 9, 6, 4, 5});  // "c d" comes before "ab c"
  CHECK(tok.encode("abc") == ids{8});
  CHECK(tok.encode("") == ids{});
  CHECK(tok.decode(ids{8, 6, 9}) == "abc cd");
  CHECK(tok.decode(ids{}) == "");
  CHECK(tok.id_of("abc") == 8);
  CHECK(tok.id_of("xyz") == -1);
  CHECK(tok.token_of(9) == "cd");
  ids more = {1};
  tok.encode("a", {}, more);
  CHECK(more == ids{1, 0});
}

TEST_CASE("tokenizer: text that is not UTF-8 is read with U+FFFD for every maximal subpart") {
  for (const char* name : {"o200k", "deepseek", "qwen", "mixtral"}) {
    const auto path = golden::path(std::string("tokenizers/") + name + ".json");
    if (path.empty()) continue;
    const auto tok = tokenizer::read(path);
    for (const std::string bad :
         {"a\xFF"
          "b",
          "\xE2\x82", "\xED\xA0\x80", "\xF0\x9F\x98 x", "\xC0\x80", "\x80"}) {
      std::string good;
      append_well_formed(good, bad);
      CHECK(tok.encode(bad) == tok.encode(good));
    }
  }
}

TEST_CASE("tokenizer: an id that no token has") {
  const auto tok =
      tiny::tokenizer_with("/added_tokens", R"([{"id": 12, "content": "<x>", "special": true}])");
  CHECK(tok.rows() == 13);
  CHECK(tok.decode(ids{12, 0}, {.skip_special = true}) == "a");
  CHECK(tok.is_special(12));
  CHECK_FALSE(tok.is_special(0));
  for (const std::int32_t bad : {-1, 10, 11, 13, INT32_MAX, INT32_MIN}) {
    CHECK(mentions(message_of([&] {
                     tok.decode(ids{0, bad});
                   }),
                   "t.json: no token has id", std::to_string(bad), "expected 0 to 12"));
    CHECK(mentions(message_of([&] { stream_decoder(tok).push(bad); }), "no token has id"));
    CHECK(mentions(message_of([&] { tok.is_special(bad); }), "no token has id"));
  }
}

TEST_CASE(
    "tokenizer: a special token with a normal form of its own is not skipped, as in the "
    "reference") {
  json j = tiny::file_with("/normalizer", R"({"type": "Prepend", "prepend": "a"})");
  j["added_tokens"] =
      json::parse(R"([{"id": 10, "content": "b", "special": true, "normalized": true}])");
  j["model"]["vocab"].erase("b");
  j["model"]["vocab"].erase("ab");
  j["model"]["vocab"].erase("abc");
  j["model"]["merges"] = json::array();
  const auto tok = tiny::tokenizer(j);
  CHECK(tok.encode("bc") == ids{10, 2});
  CHECK(tok.decode(ids{10, 2}, {.skip_special = true}) == "abc");
}

TEST_CASE("tokenizer: members of the file that are wrong are named") {
  CHECK(mentions(message_of([] { tokenizer::read("/nowhere/tokenizer.json"); }),
                 "cannot open /nowhere/tokenizer.json"));
  CHECK(mentions(message_of([] { tokenizer::parse("[]", "t.json"); }),
                 "t.json is array, expected an object"));
  CHECK(mentions(message_of([] { tokenizer::parse("{}", "t.json"); }),
                 "t.json: \"model\" is missing"));
  CHECK(mentions(refused("/model", "null"), "\"model\" is null, expected an object"));
  CHECK(mentions(refused("/model/vocab", "[]"), "\"model\"", "\"vocab\" is missing or no object"));
  CHECK(mentions(refused("/model/merges", "null"), "\"merges\" is missing or no list"));
  CHECK(mentions(refused("/model/vocab/x", "0"), "both have id 0"));
  CHECK(mentions(refused("/model/vocab/x", "1000000"), "id 1000000 among only 11 tokens"));
  CHECK(mentions(refused("/model/merges/1", "\"a z\""), "\"merges\"[1]: the right part \"z\""));
  CHECK(mentions(refused("/version", "\"2.0\""), "\"version\" is \"2.0\", expected \"1.0\""));
  CHECK(mentions(refused("/truncation", "{}"), "\"truncation\" is unsupported, expected null"));
  CHECK(mentions(refused("/padding", "{}"), "\"padding\" is unsupported, expected null"));
  CHECK(mentions(refused("/extra", "1"), "unknown key \"extra\""));
  CHECK(mentions(refused("/added_tokens", "{}"), "\"added_tokens\" is {}, expected a list"));
  CHECK(mentions(refused("/added_tokens", "[1]"),
                 "\"added_tokens\"[0] is number, expected an object"));
  CHECK(mentions(refused("/added_tokens", R"([{"id": 5, "content": "a"}])"),
                 "token \"a\" has id 5, but 0 in \"vocab\""));
  CHECK(mentions(
      refused("/added_tokens", R"([{"id": 10, "content": "x"}, {"id": 11, "content": "x"}])"),
      "token \"x\" has id 11, but 10"));
  CHECK(mentions(refused("/added_tokens", R"([{"id": 3, "content": "x"}])"),
                 "tokens \"d\" and \"x\" both have id 3"));
  CHECK(mentions(refused("/normalizer", R"({"type": "Lowercase"})"), "t.json: \"normalizer\"",
                 "\"Lowercase\""));
  CHECK(mentions(refused("/decoder", R"({"type": "CTC"})"), "t.json: \"decoder\"", "\"CTC\""));
  const auto hopeless = tiny::tokenizer_with(
      "/pre_tokenizer",
      R"({"type": "Split", "pattern": {"Regex": "(?:a+)+$"}, "behavior": "Isolated"})");
  CHECK(hopeless.encode("aab") == ids{0, 7});
  CHECK(mentions(message_of([&] { hopeless.encode(std::string(60, 'a') + "c"); }),
                 "\"pre_tokenizer\".pattern", "gives up"));
}

TEST_CASE("tokenizer: every cut of a file is an error, never a crash") {
  const std::string content = tiny::file().dump();
  for (std::size_t n = 0; n < content.size(); ++n)
    CHECK(mentions(
        message_of([&] { tokenizer::parse(std::string_view(content).substr(0, n), "t.json"); }),
        "t.json"));
}

TEST_CASE("tokenizer: long words and long runs cost about their length") {
  for (const char* name : {"o200k", "deepseek", "qwen", "mixtral"}) {
    const auto path = golden::path(std::string("tokenizers/") + name + ".json");
    if (path.empty()) continue;
    const auto tok = tokenizer::read(path);
    for (const std::string unit :
         {"a", "A", " ", "\u4E2D", "9", "=", "\u0301", "ab", "\n", "\x01"}) {
      std::string word;
      while (word.size() < (1 << 18)) word += unit;
      const auto start = std::chrono::steady_clock::now();
      const auto list = tok.encode(word, {.add_special = false});
      const double seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      if (seconds > 2) WARN(name << ": " << seconds << " s for 256 KiB of " << unit);
      CHECK(tok.decode(list) == word);
    }
  }
}

TEST_CASE("tokenizer: threads share one") {
  const auto path = golden::path("tokenizers/deepseek.json");
  if (path.empty()) return;
  const auto tok = tokenizer::read(path);
  const std::string input =
      "Threads share <think> one tokenizer \u4E2D\u6587 123456, and get the same ids. [w]\u00E9 "
      "[w]";
  const ids wanted = tok.encode(input);
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (int& mine : wrong)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) mine += tok.encode(input) != wanted;
    });
  for (auto& t : threads) t.join();
  CHECK(wrong == std::vector<int>(4, 0));
}

TEST_CASE("tokenizer: read from a file, moved and copied") {
  const temporary_folder folder;
  const auto path = folder.path() / "tokenizer.json";
  std::ofstream(path) << tiny::file().dump();
  auto first = tokenizer::read(path);
  const tokenizer second = std::move(first);
  CHECK(second.encode("abc") == ids{8});
  CHECK(second.decode(ids{8}) == "abc");
}
