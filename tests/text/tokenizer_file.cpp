// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The file around the vocabulary, and everything that can be wrong with it.

#include "catch.hpp"

#include <dsr1/text/tokenizer_file.hpp>

using namespace dsr1;

namespace {

tokenizer_file parse(const std::string& content) {
  return tokenizer_file::parse(content, "t.json");
}
std::string refused(const std::string& content) {
  return message_of([&] { parse(content); });
}
std::string model(const std::string& members) { return "{\"model\": {" + members + "}}"; }

}  // namespace

TEST_CASE("tokenizer_file: vocabulary and merges stay out of the tree") {
  const auto f = parse(R"({"a": [1, {"vocab": {"x": "y"}, "merges": [7]}],
      "model": {"merges": ["#version: 0.2", "a b", ["c d", " "]], "type": "BPE", "vocab": {"a": 1, "\u4E2D": 0}, "z": 1},
      "b": "c"})");
  CHECK(
      f.rest.dump() ==
      R"({"a":[1,{"merges":[7],"vocab":{"x":"y"}}],"b":"c","model":{"merges":[],"type":"BPE","vocab":{},"z":1}})");
  CHECK(f.tokens.id_of("\u4E2D") == 0);
  CHECK(f.tokens.id_of("a") == 1);
  CHECK((f.has_vocabulary && f.has_merges));
  std::string all;
  f.for_each_merge([&](std::string_view left, std::string_view right) {
    all.append(left).append("+").append(right).append(";");
  });
  CHECK(all == "a+b;c d+ ;");
}

TEST_CASE("tokenizer_file: no vocabulary, no merges") {
  CHECK_FALSE(parse("{}").has_vocabulary);
  CHECK_FALSE(parse(model(R"("vocab": 3, "merges": "x")")).has_vocabulary);
  CHECK_FALSE(parse(model(R"("vocab": [], "merges": {})")).has_merges);
}

TEST_CASE("tokenizer_file: what is no JSON") {
  CHECK(mentions(refused(""), "t.json is not valid JSON"));
  CHECK(mentions(refused(R"({"model": {"vocab": {"a": 1)"), "t.json is not valid JSON"));
  CHECK(mentions(refused("{\"model\": {\"vocab\": {\"\xFF\": 1}}}"), "t.json is not valid JSON",
                 "UTF-8"));
  CHECK(mentions(refused(R"({"a": "\uD800"})"), "t.json is not valid JSON"));
  CHECK(mentions(refused(std::string(100'000, '[')), "nested deeper than 200"));
}

TEST_CASE("tokenizer_file: duplicates") {
  CHECK(mentions(refused(R"({"model": {}, "model": {}})"), "t.json: \"model\" is there twice"));
  CHECK(mentions(refused(R"({"x": [{"type": 1, "type": 2}]})"), "\"type\" is there twice"));
  CHECK(mentions(refused(model(R"("vocab": {"a": 1, "a": 2})")),
                 "token \"a\" is there twice, with id 1 and 2"));
  CHECK(parse(R"({"x": [{"type": 1}, {"type": 2}], "type": {"type": 3}})").rest.size() == 2);
}

TEST_CASE("tokenizer_file: tokens and merges that are none") {
  CHECK(mentions(refused(model(R"("vocab": {"a": "b"})")),
                 "token \"a\" has id \"b\", expected a whole number"));
  CHECK(mentions(refused(model(R"("vocab": {"a": 1.5})")), "token \"a\" has id 1.5"));
  CHECK(mentions(refused(model(R"("vocab": {"a": -1})")), "token \"a\" has id -1"));
  CHECK(mentions(refused(model(R"("vocab": {"a": 18446744073709551615})")),
                 "expected 0 to 2147483646"));
  CHECK(mentions(refused(model(R"("vocab": {"a": {"b": 1}})")), "\"vocab\": a list or an object"));
  CHECK(mentions(refused(model(R"("vocab": {"a": [1]})")), "\"vocab\": a list or an object"));
  CHECK(mentions(refused(model(R"("merges": ["ab"])")),
                 "\"merges\"[0] is \"ab\", expected two tokens"));
  CHECK(mentions(refused(model(R"("merges": ["a b", "a b c"])")), "\"merges\"[1] is \"a b c\""));
  CHECK(mentions(refused(model(R"("merges": [3])")), "\"merges\"[0] is 3, expected two tokens"));
  CHECK(mentions(refused(model(R"("merges": [["a"]])")), "\"merges\"[0] has 1 tokens, expected 2"));
  CHECK(
      mentions(refused(model(R"("merges": [["a", "b", "c"]])")), "\"merges\"[0] has more than 2"));
  CHECK(mentions(refused(model(R"("merges": [["a", 3]])")), "\"merges\"[0] is 3"));
  CHECK(mentions(refused(model(R"("merges": [{"a": 3}])")), "\"merges\"[0]: a list or an object"));
  CHECK(mentions(refused(model(R"("merges": [[["a"], "b"]])")),
                 "\"merges\"[0]: a list or an object"));
}
