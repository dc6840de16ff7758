// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// SentencePiece, made lossless.

#include "tokenizer.hpp"

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

#include <dsr1/core/error.hpp>
#include <dsr1/data/text.hpp>

namespace seed {
namespace {

constexpr const char* end_symbol = "<|endoftext|>";
constexpr const char* symbols =
    "<|system|>,<|user|>,<|assistant|>,<|end|>,<think>,</think>,<answer>,</answer>";

// SentencePiece writes a blank as U+2581 and cannot tell it from one that stood in the text.
constexpr std::string_view blank_sign = "\u2581";
// It also marks unknown text with these in training, and skips every sentence that has them.
constexpr std::string_view reserved_signs[] = {"\u2047", "\u2585", blank_sign};

/// The end of the line that begins at `at`, with all line ends that follow it.
std::size_t line_end(std::string_view text, std::size_t at) {
  const std::size_t first = text.find('\n', at);
  if (first == std::string_view::npos) return text.size();
  return std::min(text.find_first_not_of('\n', first), text.size());
}

/// Feeds lines to the trainer, in the pieces in which `encode` will see them.
class line_iterator : public sentencepiece::SentenceIterator {
 public:
  explicit line_iterator(std::span<const std::string_view> documents) : documents_(documents) {
    Next();
  }
  bool done() const override { return done_; }
  void Next() override {
    while (document_ < documents_.size() && at_ == documents_[document_].size()) {
      ++document_;
      at_ = 0;
    }
    done_ = document_ == documents_.size();
    if (done_) return;
    const std::size_t end = line_end(documents_[document_], at_);
    line_ = documents_[document_].substr(at_, end - at_);
    for (const std::string_view sign : reserved_signs)
      for (std::size_t i = line_.find(sign); i != std::string::npos; i = line_.find(sign, i))
        line_.erase(i, sign.size());
    at_ = end;
  }
  const std::string& value() const override { return line_; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  std::span<const std::string_view> documents_;
  std::size_t document_ = 0, at_ = 0;
  std::string line_;
  bool done_ = false;
};

}  // namespace

std::string train_tokenizer(std::span<const std::string_view> documents,
                            const tokenizer_options& options) {
  dsr1::expects(options.vocab >= 512 && options.vocab <= 1000000, "tokenizer: a vocabulary of ",
                options.vocab, ", expected 512 to 1000000");
  const bool text = std::any_of(documents.begin(), documents.end(),
                                [](std::string_view d) { return !d.empty(); });
  dsr1::expects(text, "tokenizer: no text to train on");
  line_iterator lines(documents);
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(
      {{"model_type", "bpe"},
       {"vocab_size", std::to_string(options.vocab)},
       {"hard_vocab_limit", "false"},
       {"character_coverage", dsr1::text(options.character_coverage)},
       {"byte_fallback", "true"},
       // What comes out must be what went in.
       {"normalization_rule_name", "identity"},
       {"add_dummy_prefix", "false"},
       {"remove_extra_whitespaces", "false"},
       {"split_digits", "true"},                  // numbers by digit: arithmetic can be learned
       {"allow_whitespace_only_pieces", "true"},  // indentation
       {"max_sentence_length", "100000"},
       {"num_threads", "2"},
       {"unk_id", "0"},
       {"eos_id", "1"},
       {"eos_piece", end_symbol},
       {"bos_id", "-1"},
       {"pad_id", "-1"},
       {"control_symbols", symbols},
       {"minloglevel", "2"}},
      &lines, &model);
  dsr1::expects(status.ok(), "tokenizer: ", status.ToString());
  return model;
}

namespace {

std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  dsr1::expects(in.good(), "cannot open ", path);
  std::ostringstream content;
  content << in.rdbuf();
  return std::move(content).str();
}

}  // namespace

tokenizer::tokenizer(const std::string& path) : tokenizer(content_of(path), path) {}

tokenizer::tokenizer(const std::string& model, const std::string& source)
    : model_(std::make_unique<sentencepiece::SentencePieceProcessor>()), byte_ids_(256, -1) {
  const auto status = model_->LoadFromSerializedProto(model);
  dsr1::expects(status.ok(), source, " is no SentencePiece model: ", status.ToString());
  for (int id = 0; id < model_->GetPieceSize(); ++id) {
    std::string& out = bytes_.emplace_back();
    if (model_->IsControl(id) || model_->IsUnknown(id)) continue;
    const std::string& piece = model_->IdToPiece(id);
    if (model_->IsByte(id)) {  // <0x41>
      const int value = std::stoi(piece.substr(3, 2), nullptr, 16);
      byte_ids_[static_cast<std::size_t>(value)] = id;
      out = std::string(1, static_cast<char>(value));
      continue;
    }
    for (std::size_t i = 0; i < piece.size();) {
      const bool blank = piece.compare(i, blank_sign.size(), blank_sign) == 0;
      out += blank ? ' ' : piece[i];
      i += blank ? blank_sign.size() : 1;
    }
  }
  const bool has_bytes = std::find(byte_ids_.begin(), byte_ids_.end(), -1) == byte_ids_.end();
  dsr1::expects(has_bytes && vocab() > 1 && model_->IdToPiece(1) == end_symbol, source,
                " has no byte tokens, or not ", end_symbol, " as token 1");
}

tokenizer::~tokenizer() = default;
tokenizer::tokenizer(tokenizer&&) noexcept = default;
tokenizer& tokenizer::operator=(tokenizer&&) noexcept = default;

std::int32_t tokenizer::symbol(const std::string& name) const {
  const int id = model_->PieceToId(name);
  dsr1::expects(id > 0 && model_->IsControl(id), "the tokenizer has no symbol ", name);
  return id;
}

const std::string& tokenizer::bytes(std::int32_t id) const {
  dsr1::expects(id >= 0 && id < vocab(), "token ", id, ", expected 0 to ", vocab() - 1);
  return bytes_[static_cast<std::size_t>(id)];
}

std::vector<std::int32_t> tokenizer::encode(std::string_view text) const {
  std::vector<std::int32_t> out;
  encode(text, out);
  return out;
}

void tokenizer::encode(std::string_view text, std::vector<std::int32_t>& out) const {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = line_end(text, at);
    encode_line(text.substr(at, end - at), out);
    at = end;
  }
}

void tokenizer::encode_line(std::string_view line, std::vector<std::int32_t>& out) const {
  const auto plain = [&](std::string_view part) {
    if (part.empty()) return;
    std::vector<int> ids;
    const auto status = model_->Encode(part, &ids);
    dsr1::expects(status.ok(), "tokenizer: ", status.ToString());
    out.insert(out.end(), ids.begin(), ids.end());
  };
  // What SentencePiece would change goes around it, as bytes: its own sign for a blank, the NUL
  // that ends its strings, and what is not UTF-8.
  std::size_t begin = 0;
  for (std::size_t i = 0; i < line.size();) {
    const auto lead = static_cast<unsigned char>(line[i]);
    const std::size_t length = lead < 0x80 ? 1 : dsr1::utf8_length(line, i);
    const bool foreign =
        lead == 0 || length == 0 || line.compare(i, blank_sign.size(), blank_sign) == 0;
    const std::size_t next = i + std::max<std::size_t>(length, 1);
    if (foreign) {
      plain(line.substr(begin, i - begin));
      encode_bytes(line.substr(i, next - i), out);
      begin = next;
    }
    i = next;
  }
  plain(line.substr(begin));
}

void tokenizer::encode_bytes(std::string_view bytes, std::vector<std::int32_t>& out) const {
  for (const char c : bytes) out.push_back(byte_ids_[static_cast<unsigned char>(c)]);
}

std::string tokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string out;
  for (const std::int32_t id : ids) out += bytes(id);
  return out;
}

std::string stream_decoder::push(std::int32_t id) {
  pending_ += tokenizer_.bytes(id);
  std::string out;
  std::size_t at = 0;
  while (at < pending_.size()) {
    const std::size_t length = dsr1::utf8_length(pending_, at);
    if (length > 0) {
      out.append(pending_, at, length);
      at += length;
      continue;
    }
    // Could more bytes complete it? Then wait; a character has at most four.
    bool incomplete = false;
    for (const std::string_view tail :
         {"\x80", "\x80\x80", "\x80\x80\x80", "\xA0", "\xA0\x80", "\x90\x80\x80"})
      incomplete |= pending_.size() - at < 4 &&
                    dsr1::utf8_length(pending_.substr(at) + std::string(tail), 0) > 0;
    if (incomplete) break;
    out += "\uFFFD";
    ++at;
  }
  pending_.erase(0, at);
  return out;
}

std::string stream_decoder::finish() {
  const bool left = !pending_.empty();
  pending_.clear();
  return left ? "\uFFFD" : "";
}

}  // namespace seed
