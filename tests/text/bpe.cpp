// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Words to tokens: unknown characters, bytes, whole words.

#include "catch.hpp"

#include <dsr1/text/bpe.hpp>

using namespace dsr1;

namespace {

vocabulary tokens_of(std::initializer_list<const char*> tokens) {
  vocabulary v;
  std::int32_t id = 0;
  for (const char* t : tokens) v.add(t, id++, "t");
  v.finish("t");
  return v;
}

std::vector<std::int32_t> encode(const bpe& model, std::string_view word) {
  std::vector<std::int32_t> out;
  model(word, out);
  return out;
}

using ids = std::vector<std::int32_t>;

}  // namespace

TEST_CASE("bpe: characters, merges, unknown ones") {
  const auto v = tokens_of({"<unk>", "a", "\u00E9", "\u4E2D", "a\u00E9"});
  bpe plain(v, {}, "t");
  plain.add_merge(v, "a", "\u00E9", "t");
  CHECK(encode(plain, "a\u00E9\u4E2Da") == ids{4, 3, 1});
  CHECK(encode(plain, "axa\u6587") == ids{1, 1});  // dropped
  const bpe each(v, {.unknown = "<unk>"}, "t");
  CHECK(encode(each, "axya\u6587") == ids{1, 0, 0, 1, 0});
  const bpe fused(v, {.unknown = "<unk>", .fuse_unknown = true}, "t");
  CHECK(encode(fused, "axya\u6587") == ids{1, 0, 1, 0});
}

TEST_CASE("bpe: bytes of unknown characters, all or none") {
  const auto v = tokens_of({"<unk>", "a", "<0x78>", "<0xE6>", "<0x96>", "<0x87>", "<0xC3>"});
  const bpe model(v, {.unknown = "<unk>", .byte_fallback = true}, "t");
  CHECK(encode(model, "ax\u6587") == ids{1, 2, 3, 4, 5});
  CHECK(encode(model,
               "\u00E9"
               "a") == ids{0, 1});
  // The reference writes an unknown token late, when the next known one comes.
  CHECK(encode(model, "\u00E9xa") == ids{2, 0, 1});
}

TEST_CASE("bpe: bytes as symbols, and words that are tokens") {
  const auto v = tokens_of({"\u0120", "a", "b", "ab",
                            "\u0120"
                            "ab",
                            "\u00C3", "\u00A9", "x y"});
  bpe model(v, {.byte_level = true}, "t");
  model.add_merge(v, "a", "b", "t");
  CHECK(encode(model, " ab\u00E9") == ids{0, 3, 5, 6});
  bpe words(v, {.ignore_merges = true, .byte_level = true}, "t");
  CHECK(encode(words, " ab") == ids{4});
  CHECK(encode(words, " aba") == ids{0, 1, 2, 1});
  CHECK(encode(words, "x y") == ids{0});  // that token is no sequence of bytes
}

TEST_CASE("bpe: errors name the merge and the token") {
  const auto v = tokens_of({"a", "b", "ab"});
  bpe model(v, {}, "t.json");
  model.add_merge(v, "a", "b", "t.json: merges");
  CHECK(mentions(message_of([&] { model.add_merge(v, "a", "x", "t.json: merges"); }),
                 "t.json: merges[1]: the right part \"x\" is not in \"vocab\""));
  CHECK(mentions(message_of([&] { model.add_merge(v, "y", "a", "m"); }), "the left part \"y\""));
  CHECK(mentions(message_of([&] { model.add_merge(v, "b", "a", "m"); }), "the result \"ba\""));
  CHECK(mentions(message_of([&] { bpe(v, {.unknown = "<unk>"}, "t.json"); }),
                 "\"unk_token\" is \"<unk>\""));
}

TEST_CASE("bpe: options that are unsupported are refused") {
  const auto refused = [](const std::string& model) {
    return message_of(
        [&] { bpe_options::of(json_object(json::parse(model), "t.json: \"model\"")); });
  };
  CHECK(mentions(refused(R"({"vocab": {}})"), "\"type\" is missing"));
  CHECK(
      mentions(refused(R"({"type": "Unigram"})"), "unsupported type \"Unigram\"; supported: BPE"));
  CHECK(mentions(refused(R"({"type": "BPE", "dropout": 0.1})"), "\"dropout\" is unsupported"));
  CHECK(mentions(refused(R"({"type": "BPE", "end_of_word_suffix": "</w>"})"),
                 "\"end_of_word_suffix\""));
  CHECK(mentions(refused(R"({"type": "BPE", "continuing_subword_prefix": "##"})"),
                 "\"continuing_subword_prefix\""));
  CHECK(mentions(refused(R"({"type": "BPE", "fuse": true})"), "unknown key \"fuse\""));
  CHECK(mentions(refused(R"({"type": "BPE", "fuse_unk": 1})"),
                 "\"fuse_unk\" is 1, expected true or false"));
}
