// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A byte-pair tokenizer that gives back every byte it was given.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <dsr1/tensor/shape.hpp>

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace seed {

struct tokenizer_options {
  dsr1::index_t vocab = 4096;
  /// Share of the characters that get a token of their own; the others are written as bytes.
  double character_coverage = 0.9995;
};

/// A SentencePiece BPE model with byte fallback. `decode(encode(s)) == s` for every byte string,
/// valid UTF-8 or not. A line with the line ends after it is encoded by itself, so that the tokens
/// of a text do not depend on what stands in other lines, and cost grows with the length.
///
/// Tokens: 0 <unk> (never produced), 1 <|endoftext|>, then symbols for conversations, 256 bytes,
/// merges, characters. The symbols are control symbols: no text can produce them.
class tokenizer {
 public:
  /// Reads a model file. Throws dsr1::error naming it when it is missing or no model of ours.
  explicit tokenizer(const std::string& path);
  /// From the content of a model file; `source` names it in messages.
  tokenizer(const std::string& model, const std::string& source);
  ~tokenizer();
  tokenizer(tokenizer&&) noexcept;
  tokenizer& operator=(tokenizer&&) noexcept;

  dsr1::index_t vocab() const { return static_cast<dsr1::index_t>(bytes_.size()); }
  std::int32_t end_of_document() const { return 1; }
  /// The id of a control symbol such as "<|user|>"; throws dsr1::error when there is none.
  std::int32_t symbol(const std::string& name) const;

  /// Safe to call from several threads at once.
  std::vector<std::int32_t> encode(std::string_view text) const;
  void encode(std::string_view text, std::vector<std::int32_t>& out) const;  ///< appends
  /// Control symbols decode to nothing. Throws dsr1::error on an id outside the vocabulary.
  std::string decode(std::span<const std::int32_t> ids) const;
  /// The bytes of one token.
  const std::string& bytes(std::int32_t id) const;

 private:
  void encode_line(std::string_view line, std::vector<std::int32_t>& out) const;
  void encode_bytes(std::string_view bytes, std::vector<std::int32_t>& out) const;

  std::unique_ptr<sentencepiece::SentencePieceProcessor> model_;
  std::vector<std::string> bytes_;
  std::vector<std::int32_t> byte_ids_;
};

/// Turns tokens into text as they come, and never emits half of a UTF-8 character. Bytes that can
/// begin no character become U+FFFD.
class stream_decoder {
 public:
  explicit stream_decoder(const tokenizer& from) : tokenizer_(from) {}
  /// The characters that this token completes; may be empty.
  std::string push(std::int32_t id);
  /// What is left when no token follows: "" or one U+FFFD.
  std::string finish();

 private:
  const tokenizer& tokenizer_;
  std::string pending_;
};

/// Trains a model on the documents and returns the content of its file. The same documents and
/// options give the same bytes. The vocabulary is smaller than asked for when the text has no more
/// pairs to merge. Throws dsr1::error when vocab is below 512 or there is no text.
std::string train_tokenizer(std::span<const std::string_view> documents,
                            const tokenizer_options& options = {});

}  // namespace seed
