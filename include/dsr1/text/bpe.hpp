// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The model of a tokenizer file: words to tokens by byte-pair encoding.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <dsr1/core/error.hpp>
#include <dsr1/io/json.hpp>
#include <dsr1/text/byte_level.hpp>
#include <dsr1/text/merge_cuts.hpp>
#include <dsr1/text/merge_word.hpp>
#include <dsr1/text/pair_table.hpp>
#include <dsr1/text/utf8.hpp>
#include <dsr1/text/vocabulary.hpp>

namespace dsr1 {

/// The member "model" of a tokenizer file, {"type": "BPE", ...}, without its vocabulary and merges.
/// Dropout, prefixes and suffixes of parts of words are refused.
struct bpe_options {
  std::string unknown = {};    ///< the token for unknown characters; empty: they are dropped
  bool fuse_unknown = false;   ///< neighbours become one token
  bool byte_fallback = false;  ///< an unknown character becomes tokens <0x00> to <0xFF>
  bool ignore_merges = false;  ///< a word that is a token is not merged
  bool byte_level = false;     ///< symbols are bytes, as the pre-tokenizer says

  static bpe_options of(const json_object& model) {
    expects(model.has("type"), model.source(), ": \"type\" is missing, expected \"BPE\"");
    const auto type = model.get<std::string>("type");
    expects(type == "BPE", model.source(), ": unsupported type \"", type, "\"; supported: BPE");
    model.expect_only({"type", "dropout", "unk_token", "continuing_subword_prefix",
                       "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges", "vocab",
                       "merges"});
    const auto given = [&](const char* key) {
      return model.has(key) && !model.value().at(key).is_null();
    };
    expects(!given("dropout") || model.get<double>("dropout") == 0, model.source(),
            ": \"dropout\" is unsupported");
    for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"})
      expects(!given(affix) || model.get<std::string>(affix).empty(), model.source(), ": \"", affix,
              "\" is unsupported");
    const auto flag = [&](const char* key) { return given(key) && model.get<bool>(key); };
    return {.unknown = given("unk_token") ? model.get<std::string>("unk_token") : "",
            .fuse_unknown = flag("fuse_unk"),
            .byte_fallback = flag("byte_fallback"),
            .ignore_merges = flag("ignore_merges")};
  }
};

/// Encodes words. Safe to use from several threads at once.
class bpe {
 public:
  bpe() = default;
  /// `tokens` are read now and not kept. `place` names the file in errors.
  bpe(const vocabulary& tokens, const bpe_options& options, const std::string& place)
      : options_(options) {
    if (!options.unknown.empty()) {
      unknown_ = tokens.id_of(options.unknown);
      expects(unknown_ >= 0, place, ": \"unk_token\" is \"", shortened(options.unknown, 60),
              "\", which is not in \"vocab\"");
    }
    for (std::size_t b = 0; b < 256; ++b) {
      char name[8];
      std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(b));
      fallback_[b] = tokens.id_of(name);
      std::string character;
      append_character(character, byte_characters[b]);
      ascii_or_byte_[b] = options.byte_level ? tokens.id_of(character)
                          : b < 128          ? tokens.id_of(std::string(1, static_cast<char>(b)))
                                             : -1;
    }
    for (const auto& [token, id] : tokens.ids()) {
      if (options.byte_level) {
        if (!options.ignore_merges) break;
        if (auto word = bytes_of_characters(token)) words_.emplace(*std::move(word), id);
        continue;
      }
      if (options.ignore_merges) words_.emplace(token, id);
      if (token.empty()) continue;
      const utf8_unit u = utf8_at(token, 0);
      if (u.bytes == token.size() && u.bytes > 1) characters_.emplace(u.code_point, id);
    }
  }

  /// Adds the merge of the next rank. Throws `error` naming `place` and the token when one of the
  /// two, or what they make, is not among the tokens.
  void add_merge(const vocabulary& tokens, std::string_view left, std::string_view right,
                 const std::string& place) {
    const auto id = [&](std::string_view token, const char* what) {
      const std::int32_t found = tokens.id_of(token);
      if (found < 0)
        throw error(text(place, "[", rank_, "]: ", what, " \"", shortened(std::string(token), 60),
                         "\" is not in \"vocab\""));
      return found;
    };
    const std::int32_t a = id(left, "the left part"), b = id(right, "the right part");
    merges_.set({a, b, rank_, id(std::string(left).append(right), "the result")});
    ++rank_;
  }

  /// For long words (lines, whole texts): prepares to cut them where merges cannot join. To be
  /// called when all merges are there.
  void prepare_cuts(const vocabulary& tokens) {
    std::vector<bool> is_symbol(static_cast<std::size_t>(tokens.rows()), false);
    const auto mark = [&](std::int32_t id) {
      if (id >= 0) is_symbol[static_cast<std::size_t>(id)] = true;
    };
    mark(unknown_);
    for (const std::int32_t id : ascii_or_byte_) mark(id);
    for (const auto& [code_point, id] : characters_) mark(id);
    if (options_.byte_fallback)
      for (const std::int32_t id : fallback_) mark(id);
    cuts_ = merge_cuts(merges_, is_symbol);
  }

  /// Appends the tokens of a well-formed, non-empty word.
  void operator()(std::string_view word, std::vector<std::int32_t>& out) const {
    if (options_.ignore_merges) {
      if (const auto whole = words_.find(word); whole != words_.end()) {
        out.push_back(whole->second);
        return;
      }
    }
    const std::size_t begin = out.size();
    append_symbols(word, out);
    // Cuts are looked for where they save something.
    std::size_t written = begin;
    for (std::size_t from = begin, to; from < out.size(); from = to) {
      to = out.size();
      if (to - from > 8)
        for (to = from + 1; to < out.size() && !cuts_.between(out[to - 1], out[to]);) ++to;
      const std::size_t n = merge_word(merges_, std::span(out).subspan(from, to - from));
      std::copy_n(out.begin() + static_cast<std::ptrdiff_t>(from), n,
                  out.begin() + static_cast<std::ptrdiff_t>(written));
      written += n;
    }
    out.resize(written);
  }

 private:
  void append_symbols(std::string_view word, std::vector<std::int32_t>& out) const {
    bool pending = false;  // an unknown token that is still to be written
    for (std::size_t at = 0; at < word.size();) {
      const auto lead = static_cast<unsigned char>(word[at]);
      std::size_t length = 1;
      std::int32_t id = ascii_or_byte_[lead];
      if (!options_.byte_level && lead >= 0x80) {
        const utf8_unit u = utf8_at(word, at);
        length = u.bytes;
        const auto found = characters_.find(u.code_point);
        id = found == characters_.end() ? -1 : found->second;
      }
      if (id >= 0) {
        if (pending) out.push_back(unknown_);
        pending = false;
        out.push_back(id);
      } else if (!(options_.byte_fallback && append_bytes(word.substr(at, length), out))) {
        if (pending && !options_.fuse_unknown) out.push_back(unknown_);
        pending = unknown_ >= 0;
      }
      at += length;
    }
    if (pending) out.push_back(unknown_);
  }

  // All the bytes of a character, or none.
  bool append_bytes(std::string_view character, std::vector<std::int32_t>& out) const {
    std::string mapped;
    if (options_.byte_level) {
      append_character(mapped, byte_characters[static_cast<unsigned char>(character[0])]);
      character = mapped;
    }
    for (const char c : character)
      if (fallback_[static_cast<unsigned char>(c)] < 0) return false;
    for (const char c : character) out.push_back(fallback_[static_cast<unsigned char>(c)]);
    return true;
  }

  struct hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };

  bpe_options options_;
  std::int32_t unknown_ = -1, rank_ = 0;
  std::array<std::int32_t, 256> fallback_ = {}, ascii_or_byte_ = {};
  std::unordered_map<std::int32_t, std::int32_t> characters_;  // of more than one byte
  std::unordered_map<std::string, std::int32_t, hash, std::equal_to<>> words_;
  pair_table merges_;
  merge_cuts cuts_;
};

}  // namespace dsr1
