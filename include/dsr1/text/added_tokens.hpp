// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Tokens that are found in the text before the model sees it: <|end|> and its like.
#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dsr1/io/json.hpp>
#include <dsr1/text/pair_table.hpp>
#include <dsr1/text/regex.hpp>
#include <dsr1/text/unicode_version.hpp>
#include <dsr1/text/utf8.hpp>

namespace dsr1 {

/// One element of "added_tokens" of a tokenizer file.
struct added_token {
  std::int32_t id = 0;
  std::string content = {};
  bool special = false;      ///< can be skipped in decoding, and be taken as plain text
  bool single_word = false;  ///< only between characters that belong to no word
  bool lstrip = false;       ///< takes the white space before it along
  bool rstrip = false;       ///< and after it
  bool normalized = false;   ///< looked for in the normalised text, its content normalised too

  static added_token of(const json_object& o) {
    o.expect_only({"id", "content", "special", "single_word", "lstrip", "rstrip", "normalized"});
    added_token t{.id = o.get_between<std::int32_t>("id", 0, INT32_MAX - 1),
                  .content = o.get<std::string>("content"),
                  .special = o.get<bool>("special", false),
                  .single_word = o.get<bool>("single_word", false),
                  .lstrip = o.get<bool>("lstrip", false),
                  .rstrip = o.get<bool>("rstrip", false)};
    t.normalized = o.get<bool>("normalized", !t.special);
    expects(!t.content.empty(), o.source(), ": \"content\" is empty");
    return t;
  }
};

/// Finds tokens in texts: at every place the longest, from left to right. A trie; the cost is the
/// length of the text plus that of what looks like the beginning of a token.
class added_token_finder {
 public:
  /// Adds a token under this content (its own or the normalised one). The first of equal contents
  /// counts; an empty one is never found.
  void add(const added_token& token, std::string_view content) {
    if (content.empty()) return;
    std::int32_t node = 0;
    for (const char c : content) {
      const auto byte = static_cast<unsigned char>(c);
      if (const auto* e = trie_.find(node, byte)) {
        node = e->id;
        continue;
      }
      const auto next = static_cast<std::int32_t>(ends_.size());
      ends_.push_back(-1);
      trie_.set({node, byte, 0, next});
      node = next;
    }
    std::int32_t& end = ends_[static_cast<std::size_t>(node)];
    if (end >= 0) return;
    end = static_cast<std::int32_t>(tokens_.size());
    tokens_.push_back(token);
    starts_[static_cast<unsigned char>(content[0])] = true;
  }

  /// Calls plain(part) and found(id) in the order of the text; parts are not empty. With
  /// `special_as_text`, special tokens stay in the text.
  template <class Plain, class Found>
  void split(std::string_view all, bool special_as_text, Plain&& plain, Found&& found) const {
    std::size_t done = 0, space_end = 0;
    for (std::size_t at = 0; at < all.size();) {
      if (!starts_[static_cast<unsigned char>(all[at])]) {
        ++at;
        continue;
      }
      const auto [token, length] = longest(all, at);
      if (!token) {
        ++at;
        continue;
      }
      std::size_t begin = at, end = at + length;
      at = end;
      if (special_as_text && token->special) continue;
      if (token->single_word && (is_word_before(all, begin) || is_word_at(all, end))) continue;
      if (token->lstrip) begin = std::max(done, space_before(all, begin, done));
      if (token->rstrip) {  // looked for once, also where a token is itself white space
        if (end >= space_end) space_end = space_after(all, end);
        end = space_end;
      }
      if (done < begin) plain(all.substr(done, begin - done));
      found(token->id);
      done = end;
    }
    if (done < all.size()) plain(all.substr(done));
  }

 private:
  std::pair<const added_token*, std::size_t> longest(std::string_view all, std::size_t at) const {
    std::pair<const added_token*, std::size_t> best = {nullptr, 0};
    std::int32_t node = 0;
    for (std::size_t i = at; i < all.size(); ++i) {
      const auto* e = trie_.find(node, static_cast<unsigned char>(all[i]));
      if (!e) break;
      node = e->id;
      const std::int32_t end = ends_[static_cast<std::size_t>(node)];
      if (end >= 0) best = {&tokens_[static_cast<std::size_t>(end)], i + 1 - at};
    }
    return best;
  }

  static std::size_t character_before(std::string_view all, std::size_t at) {
    do --at;
    while (at > 0 && (static_cast<unsigned char>(all[at]) & 0xC0) == 0x80);
    return at;
  }
  static bool is_word_before(std::string_view all, std::size_t at) {
    return at > 0 && is_word_at(all, character_before(all, at));
  }
  static bool is_word_at(std::string_view all, std::size_t at) {
    if (at == all.size()) return false;
    const std::string_view character = all.substr(at, utf8_at(all, at).bytes);
    if (character.size() == 1)
      return character == "_" || std::isalnum(static_cast<unsigned char>(character[0])) != 0;
    static const regex word =
        regex::of_pcre2(R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}])", "words");
    bool hit = false;
    regex_scratch scratch;
    std::string storage;
    word.for_each_match(as_unicode_14(character, storage), scratch,
                        [&](std::size_t, std::size_t) { hit = true; });
    return hit;
  }
  static bool is_space_at(std::string_view all, std::size_t at) {
    const std::int32_t c = utf8_at(all, at).code_point;
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
  }
  static std::size_t space_after(std::string_view all, std::size_t at) {
    while (at < all.size() && is_space_at(all, at)) at += utf8_at(all, at).bytes;
    return at;
  }
  static std::size_t space_before(std::string_view all, std::size_t at, std::size_t least) {
    while (at > least && is_space_at(all, character_before(all, at)))
      at = character_before(all, at);
    return at;
  }

  std::vector<added_token> tokens_;
  std::vector<std::int32_t> ends_ = {-1};  // by node: which token ends here
  pair_table trie_;
  std::array<bool, 256> starts_ = {};
};

}  // namespace dsr1
