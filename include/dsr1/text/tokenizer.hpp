// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Text to tokens and back, as a published tokenizer.json says.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <dsr1/core/error.hpp>
#include <dsr1/io/json.hpp>
#include <dsr1/io/open_file.hpp>
#include <dsr1/text/added_tokens.hpp>
#include <dsr1/text/bpe.hpp>
#include <dsr1/text/normalizer.hpp>
#include <dsr1/text/post_processor.hpp>
#include <dsr1/text/pre_tokenizer.hpp>
#include <dsr1/text/token_decoder.hpp>
#include <dsr1/text/tokenizer_file.hpp>
#include <dsr1/text/utf8.hpp>
#include <dsr1/text/vocabulary.hpp>

namespace dsr1 {

struct encode_options {
  bool add_special = true;       ///< what the template puts around a text, such as <s>
  bool special_as_text = false;  ///< for text of others: "<|end|>" in it is no token
};

struct decode_options {
  bool skip_special = false;  ///< leave out special tokens
};

/// A byte-pair tokenizer read from a `tokenizer.json` of the Hugging Face tokenizers library, and
/// equal to it in ids and text. Constant after reading: threads may share it.
///
/// Text that is not UTF-8 is read as if every maximal ill-formed subpart of it were U+FFFD. A part
/// of the pipeline that is not supported is refused when the file is read, by name.
class tokenizer {
 public:
  /// Reads a file. Throws `error` naming the file and the field that is wrong.
  static tokenizer read(const std::filesystem::path& path) {
    return parse(open_file(path.string(), O_RDONLY).read(), path.string());
  }
  /// The same for the content of a file; `name` stands for it in messages.
  static tokenizer parse(std::string_view content, const std::string& name) {
    return tokenizer(tokenizer_file::parse(content, name));
  }

  /// The highest id plus one: the rows that an embedding needs.
  std::int32_t rows() const { return tokens_.rows(); }
  /// The id of a token as the file spells it ("<|end|>", "Ġthe"), or -1.
  std::int32_t id_of(std::string_view token) const { return tokens_.id_of(token); }
  /// A token as the file spells it. Throws `error` when no token has this id.
  const std::string& token_of(std::int32_t id) const {
    const std::string* found = id >= 0 && id < rows() ? tokens_.token_of(id) : nullptr;
    expects(found != nullptr, name_, ": no token has id ", id, ", expected 0 to ", rows() - 1);
    return *found;
  }
  bool is_special(std::int32_t id) const {
    token_of(id);
    return special_[static_cast<std::size_t>(id)];
  }

  /// The tokens of a text. Throws `error` for a text of 1 GiB or more, and when a regex of the file
  /// gives up on it.
  std::vector<std::int32_t> encode(std::string_view text,
                                   const encode_options& options = {}) const {
    std::vector<std::int32_t> out;
    encode(text, options, out);
    return out;
  }
  /// The same, appended to `out`.
  void encode(std::string_view text, const encode_options& options,
              std::vector<std::int32_t>& out) const {
    expects(text.size() < std::size_t{1} << 30, name_, ": a text of ", text.size(),
            " bytes, expected less than 1 GiB");
    std::string repaired;
    if (first_ill_formed(text) < text.size()) {
      append_well_formed(repaired, text);
      text = repaired;
    }
    const auto add = [&](const std::vector<std::int32_t>& ids) {
      if (options.add_special) out.insert(out.end(), ids.begin(), ids.end());
    };
    add(post_processor_.before());
    regex_scratch scratch;
    const auto found = [&](std::int32_t id) { out.push_back(id); };
    const auto word = [&](std::string_view w) { model_(w, out); };
    const auto words = [&](std::string_view part) { pre_tokenizer_(part, scratch, word); };
    const auto part = [&](std::string_view raw) {
      if (normalizer_.empty()) return normalized_.split(raw, options.special_as_text, words, found);
      std::string changed(raw);
      normalizer_(changed, scratch);
      normalized_.split(changed, options.special_as_text, words, found);
    };
    added_.split(text, options.special_as_text, part, found);
    add(post_processor_.after());
  }

  /// The text of tokens; bytes that make no character become U+FFFD. Throws `error` for an id that
  /// no token has.
  std::string decode(std::span<const std::int32_t> ids, const decode_options& options = {}) const {
    std::string out;
    token_decoder::state state;
    for (const std::int32_t id : ids) push(state, id, options, out);
    decoder_.finish(state, out);
    return out;
  }

 private:
  friend class stream_decoder;

  explicit tokenizer(tokenizer_file file);

  void push(token_decoder::state& state, std::int32_t id, const decode_options& options,
            std::string& out) const {
    const std::string* token = &token_of(id);
    if (options.skip_special && skipped_[static_cast<std::size_t>(id)]) return;
    if (!normal_forms_.empty())
      if (const auto form = normal_forms_.find(id); form != normal_forms_.end())
        token = &form->second;
    decoder_.push(state, *token, out);
  }

  void read_added(const json& rest);

  std::string name_;
  vocabulary tokens_;
  std::vector<bool> special_, skipped_;  // by id
  // What normalized added tokens decode to, where it is not what the file says.
  std::unordered_map<std::int32_t, std::string> normal_forms_;
  added_token_finder added_, normalized_;
  normalizer normalizer_;
  pre_tokenizer pre_tokenizer_;
  bpe model_;
  post_processor post_processor_;
  token_decoder decoder_;
};

inline tokenizer::tokenizer(tokenizer_file file) : name_(std::move(file.name)) {
  const json_object root(std::move(file.rest), name_);
  root.expect_only({"version", "truncation", "padding", "added_tokens", "normalizer",
                    "pre_tokenizer", "post_processor", "decoder", "model"});
  const auto member = [&](const char* key) {
    return root.has(key) ? root.value().at(key) : json(nullptr);
  };
  const auto place = [&](const char* key) { return name_ + ": \"" + key + "\""; };
  if (root.has("version"))
    expects(root.get<std::string>("version") == "1.0", place("version"), " is \"",
            root.get<std::string>("version"), "\", expected \"1.0\"");
  for (const char* key : {"truncation", "padding"})
    expects(member(key).is_null(), place(key), " is unsupported, expected null");

  bpe_options options = bpe_options::of(root.object("model"));
  expects(file.has_vocabulary, place("model"), ": \"vocab\" is missing or no object");
  expects(file.has_merges, place("model"), ": \"merges\" is missing or no list");
  normalizer_ = normalizer(member("normalizer"), place("normalizer"));
  pre_tokenizer_ = pre_tokenizer(member("pre_tokenizer"), place("pre_tokenizer"));
  options.byte_level = pre_tokenizer_.byte_level();
  tokens_ = std::move(file.tokens);
  model_ = bpe(tokens_, options, place("model"));
  const std::string merges = place("model") + ".\"merges\"";
  file.for_each_merge([&](std::string_view left, std::string_view right) {
    model_.add_merge(tokens_, left, right, merges);
  });
  read_added(member("added_tokens"));
  if (!options.byte_level) model_.prepare_cuts(tokens_);  // words may be lines or whole texts
  post_processor_ = post_processor(member("post_processor"), tokens_, place("post_processor"));
  decoder_ = token_decoder(member("decoder"), place("decoder"));
}

inline void tokenizer::read_added(const json& list) {
  const std::string place = name_ + ": \"added_tokens\"";
  expects(list.is_null() || list.is_array(), place, " is ", shown(list), ", expected a list");
  std::vector<added_token> added;
  for (std::size_t i = 0; i < list.size(); ++i) {
    added.push_back(added_token::of(json_object(list[i], dsr1::text(place, "[", i, "]"))));
    const added_token& t = added.back();
    // A token of the model keeps its id; a new one brings its own.
    const std::int32_t known = tokens_.id_of(t.content);
    if (known < 0) tokens_.add(t.content, t.id, place);
    expects(known < 0 || known == t.id, place, "[", i, "]: token \"", shortened(t.content, 60),
            "\" has id ", t.id, ", but ", known, " in \"vocab\"");
  }
  tokens_.finish(name_);
  special_.assign(static_cast<std::size_t>(tokens_.rows()), false);
  std::set<std::string_view> special_contents;
  for (const added_token& t : added) {
    if (!t.special) continue;
    special_[static_cast<std::size_t>(t.id)] = true;
    special_contents.insert(t.content);
  }
  skipped_ = special_;
  // Of equal contents the first counts: special tokens come first.
  regex_scratch scratch;
  for (const bool special : {true, false}) {
    for (const added_token& t : added) {
      if (t.special != special) continue;
      std::string content = t.content;
      if (t.normalized) normalizer_(content, scratch);
      (t.normalized ? normalized_ : added_).add(t, content);
      if (content == t.content) continue;
      // As the reference does it: such a token is skipped if its normal form is a special token.
      skipped_[static_cast<std::size_t>(t.id)] = special_contents.contains(content);
      normal_forms_.emplace(t.id, std::move(content));
    }
  }
}

/// Turns tokens into text as they come. The pieces together are what `decode` gives for all of
/// them; no piece holds half a character. Keep the tokenizer alive.
class stream_decoder {
 public:
  explicit stream_decoder(const tokenizer& from, const decode_options& options = {})
      : tokenizer_(&from), options_(options) {}

  /// The text that this token makes certain; may be empty. Throws `error` as `decode` does.
  std::string push(std::int32_t id) {
    std::string out;
    tokenizer_->push(state_, id, options_, out);
    return out;
  }
  /// What is left when no token follows; the next push begins a new text.
  std::string finish() {
    std::string out;
    tokenizer_->decoder_.finish(state_, out);
    return out;
  }

 private:
  const tokenizer* tokenizer_;
  decode_options options_;
  token_decoder::state state_;
};

}  // namespace dsr1
