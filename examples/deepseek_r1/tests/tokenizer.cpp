// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Every byte comes back; text cannot produce control symbols; characters are never torn.

#include "tokenizer.hpp"

#include "catch.hpp"
#include "data/folder.hpp"

#include <dsr1/data/text.hpp>

using namespace seed;

namespace {

std::string training_text() {
  std::string s;
  for (int i = 0; i < 400; ++i)
    s += dsr1::text("The number ", i * 7919 % 1000, " is not the number ", i,
                    ".\n\n    if (x == ", i, ") {\n\treturn \"gr\u00fc\u00dfe\";\n    }\n  word",
                    i % 13, " \u65e5\u672c\n");
  return s;
}

const tokenizer& trained() {
  static const tokenizer one = [] {
    const std::string text = training_text();
    const std::string_view documents[] = {text};
    return tokenizer(train_tokenizer(documents, {.vocab = 512}), "test");
  }();
  return one;
}

void round_trip(const std::string& s) {
  const auto ids = trained().encode(s);
  REQUIRE(trained().decode(ids) == s);
  for (const std::int32_t id : ids) {
    REQUIRE(id > trained().end_of_document());
    REQUIRE(id < trained().vocab());
  }
}

}  // namespace

TEST_CASE("tokenizer: blanks, tabs, line ends and foreign characters come back") {
  for (const char* s : {"",
                        " ",
                        "  ",
                        "\n",
                        "\n\n\n",
                        "\t",
                        "\t\tx",
                        " a",
                        "a ",
                        "a  b   c",
                        "    if (x)\n\t\ty;\n\n\n  z",
                        "\r\n",
                        "\u2581",
                        "a\u2581b \u2581 \u2581\u2581",
                        "\u2047 \u2585",
                        "\uFFFD",
                        "\u00a0",
                        "\u3000x",
                        "\uFEFFx",
                        "e\u0301 \u00e9",
                        "\U0001F600\U00010348",
                        "<0x41>",
                        "<|endoftext|>",
                        "<unk>",
                        "</s>",
                        "1234567890",
                        "\uFB01 \u2460 \u212B"})
    round_trip(s);
  round_trip(std::string("a\0b\0", 4));
  round_trip(training_text());
}

TEST_CASE("tokenizer: random text and random bytes come back") {
  const dsr1::random_stream r(8);
  const std::string_view parts[] = {
      "a",          " ", "  ",   "\n", "\t",     "if (",   "}",      "\u00fc", "\u2581",   "\u65e5",
      "\U0001F600", "7", "the ", "\r", "\u2047", "\u2028", "number", "\xFF",   "\xE2\x96", "."};
  std::uint64_t at = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string s, bytes;
    for (std::uint64_t n = r.below(at++, 30); n > 0; --n, ++at) {
      s += parts[r.below(at, std::size(parts))];
      bytes += static_cast<char>(r.bits(at) & 255);
    }
    round_trip(s);
    round_trip(bytes);
  }
}

TEST_CASE("tokenizer: lines are independent, and merges happen") {
  const auto a = trained().encode("The number is\n"), b = trained().encode("  if (x == 1) {\n");
  auto both = a;
  both.insert(both.end(), b.begin(), b.end());
  CHECK(trained().encode("The number is\n  if (x == 1) {\n") == both);
  CHECK(trained().encode("The number").size() <= 3);
  CHECK(trained().encode("    ").size() <= 2);
  CHECK(trained().encode("123").size() == 3);  // digits stay apart
}

TEST_CASE("tokenizer: symbols") {
  const auto& t = trained();
  CHECK(t.symbol("<|endoftext|>") == t.end_of_document());
  CHECK(t.symbol("<|user|>") > 1);
  CHECK(t.bytes(t.symbol("<|user|>")).empty());
  CHECK(mentions(message_of([&] { t.symbol("<|nobody|>"); }), "no symbol <|nobody|>"));
  for (const std::int32_t id : t.encode("<|user|><think>")) CHECK_FALSE(t.bytes(id).empty());
}

TEST_CASE("stream_decoder: whole characters only") {
  const std::string s = "a\u00e9\u65e5\U0001F600b";
  std::vector<std::int32_t> ids;
  for (const char c : s)  // byte tokens, whatever the vocabulary merges
    for (std::int32_t id = 0; id < trained().vocab(); ++id)
      if (trained().bytes(id) == std::string(1, c)) {
        ids.push_back(id);
        break;
      }
  REQUIRE(ids.size() == s.size());
  stream_decoder stream(trained());
  std::string all;
  for (const std::int32_t id : ids) {
    const std::string part = stream.push(id);
    REQUIRE(dsr1::is_utf8(part));
    all += part;
  }
  CHECK(all + stream.finish() == s);
  const auto byte = [&](std::size_t i) { return ids[i]; };
  CHECK(stream.push(byte(1)).empty());
  CHECK(stream.push(byte(0)) ==
        "\uFFFD"
        "a");                               // a lone first byte
  CHECK(stream.push(byte(2)) == "\uFFFD");  // a lone continuation
  CHECK(stream.push(byte(3)).empty());
  CHECK(stream.finish() == "\uFFFD");
  CHECK(stream.finish().empty());
}

TEST_CASE("tokenizer: training is deterministic and checks its input") {
  const std::string text = training_text();
  const std::string_view documents[] = {text}, none[] = {""};
  CHECK(train_tokenizer(documents, {.vocab = 600}) == train_tokenizer(documents, {.vocab = 600}));
  CHECK(tokenizer(train_tokenizer(documents, {.vocab = 100000}), "large").vocab() < 100000);
  CHECK(mentions(message_of([&] { train_tokenizer(documents, {.vocab = 300}); }),
                 "a vocabulary of 300, expected 512"));
  CHECK(mentions(message_of([&] { train_tokenizer(none); }), "no text to train on"));
  CHECK(mentions(message_of([&] { train_tokenizer({}); }), "no text to train on"));
}

TEST_CASE("tokenizer: files that are none, ids that are none") {
  const data_test::folder f;
  CHECK(
      mentions(message_of([&] { tokenizer((f / "missing").string()); }), "cannot open", "missing"));
  data_test::write(f / "bad", "this is no model");
  CHECK(mentions(message_of([&] { tokenizer((f / "bad").string()); }), "bad",
                 "no SentencePiece model"));
  CHECK(mentions(message_of([&] { trained().bytes(trained().vocab()); }), "expected 0 to"));
  CHECK(mentions(message_of([&] { trained().bytes(-1); }), "token -1"));
}
