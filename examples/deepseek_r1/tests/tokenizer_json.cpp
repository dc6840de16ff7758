// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The exported tokenizer gives the ids of ours.

#include "tokenizer_json.hpp"

#include <random>

#include "catch.hpp"
#include "tokenizer.hpp"

#include <dsr1/text.hpp>

namespace {

std::string training_text() {
  std::string s;
  for (int line = 0; line < 900; ++line) {
    s += std::string(static_cast<std::size_t>(line % 4) * 2, ' ');
    for (const char* word : {"return", "the", "number", "gr\u00fc\u00dfe", "word", "\u65e5\u672c"})
      if (line % (3 + word[0] % 5) != 1) s += std::string(word) + " \t"[line % 2];
    s += std::to_string(line * 7919 % 1000) + (line % 9 == 0 ? ".\n\n" : "\n");
  }
  return s;
}

}  // namespace

TEST_CASE("tokenizer_json: the ids of our tokenizer, and its text") {
  const std::string text = training_text();
  const std::string_view documents[] = {text};
  const std::string model = seed::train_tokenizer(documents, {.vocab = 700});
  const seed::tokenizer ours(model, "test");
  const auto theirs = dsr1::tokenizer::parse(seed::tokenizer_json(model, "test"), "t.json");
  CHECK(theirs.rows() == ours.vocab());
  CHECK(theirs.id_of("<|endoftext|>") == ours.end_of_document());

  const auto same = [&](const std::string& s) {
    const auto ids = ours.encode(s);
    INFO(s);
    CHECK(theirs.encode(s, {.special_as_text = true}) == ids);
    CHECK(theirs.decode(ids) == ours.decode(ids));
  };
  same("");
  same(text);
  same("\n\n a\n");
  same("<|user|> is text, <unk> too");
  std::mt19937 random(2);
  const char* pieces[] = {
      "the ",   "number",    " ",    "  ",  "\n",     "\t",         "x",   "12",   "gr\u00fc\u00df",
      "\u4e2d", "return \"", "if (", "}\n", "\u65e5", "\U0001F600", "The", "word1"};
  for (int n = 0; n < 300; ++n) {
    std::string s;
    for (int i = 0; i < 12; ++i) s += pieces[random() % std::size(pieces)];
    same(s);
  }
  const auto marked = theirs.encode("a<|user|>b");
  CHECK(std::count(marked.begin(), marked.end(), ours.symbol("<|user|>")) == 1);
}
