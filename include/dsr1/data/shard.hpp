// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A file of token ids that is mapped, not read, and that proves its own integrity.
//
// Format, version 1, little-endian:
//     offset  bytes
//          0      8  magic "DSR1TOKS"
//          8      4  version, 1
//         12      4  width of a token in bytes, 2 or 4
//         16      8  number of documents D
//         24      8  number of tokens N
//         32      8  content hash (core/hash.hpp) of all other bytes, in order
//         40    8 D  the end of each document in tokens, ascending; the last is N
//     40 + 8D  w N  the tokens
// A document holds at least one token. The end-of-document token is not stored: the loader adds it.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <dsr1/core/hash.hpp>
#include <dsr1/io/atomic_file.hpp>
#include <dsr1/io/mapped_file.hpp>
#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

static_assert(std::endian::native == std::endian::little,
              "token shards are little-endian, and so must be the machine");

namespace shard_format {

inline constexpr char magic[9] = "DSR1TOKS";
inline constexpr std::uint32_t version = 1;

struct header {
  char magic[8];
  std::uint32_t version;
  std::uint32_t width;
  std::uint64_t documents;
  std::uint64_t tokens;
  std::uint64_t hash;
};
static_assert(sizeof(header) == 40);
inline constexpr std::size_t hashed_head = offsetof(header, hash);

}  // namespace shard_format

/// The bytes per token that a vocabulary needs.
constexpr int token_width(index_t vocab) { return vocab <= 65536 ? 2 : 4; }

/// Collects documents and writes them as one shard, which appears whole or not at all (`commit`).
/// Holds the shard in memory: cut a large data set into several.
class shard_writer {
 public:
  /// Throws `error` when the vocabulary is not 1 to 2^31 - 1 tokens.
  explicit shard_writer(std::filesystem::path path, index_t vocab)
      : path_(std::move(path)), vocab_(vocab), width_(token_width(vocab)) {
    expects(vocab > 0 && vocab <= 0x7fffffff, "shard_writer: a vocabulary of ", vocab,
            ", expected 1 to 2147483647");
  }

  /// Throws `error` naming document and token when one is outside the vocabulary, or there is none.
  void add(std::span<const std::int32_t> document) {
    expects(!document.empty(), path_.string(), ": document ", ends_.size(), " has no tokens");
    for (std::size_t i = 0; i < document.size(); ++i)
      expects(document[i] >= 0 && document[i] < vocab_, path_.string(), ": document ", ends_.size(),
              " has token ", document[i], " at ", i, ", expected 0 to ", vocab_ - 1);
    const std::size_t width = static_cast<std::size_t>(width_);
    std::size_t at = tokens_.size();
    tokens_.resize(at + document.size() * width);
    for (const std::int32_t id : document) {
      std::memcpy(tokens_.data() + at, &id, width);  // the low bytes come first
      at += width;
    }
    ends_.push_back(static_cast<std::uint64_t>(tokens()));
  }

  index_t documents() const { return static_cast<index_t>(ends_.size()); }
  index_t tokens() const { return static_cast<index_t>(tokens_.size()) / width_; }

  /// Writes the file and returns its content hash. Throws `error` when there are no documents.
  std::uint64_t commit() {
    expects(!ends_.empty(), path_.string(), ": a shard without documents");
    shard_format::header head{.magic = {},
                              .version = shard_format::version,
                              .width = static_cast<std::uint32_t>(width_),
                              .documents = ends_.size(),
                              .tokens = ends_.back(),
                              .hash = 0};
    std::memcpy(head.magic, shard_format::magic, sizeof(head.magic));
    const std::size_t end_bytes = ends_.size() * sizeof(std::uint64_t);
    content_hash hash;
    hash.add(&head, shard_format::hashed_head);
    hash.add(ends_.data(), end_bytes);
    hash.add(tokens_.data(), tokens_.size());
    head.hash = hash.value();
    atomic_file file(path_);
    file.write(&head, sizeof(head));
    file.write(ends_.data(), end_bytes);
    file.write(tokens_.data(), tokens_.size());
    file.commit();
    return head.hash;
  }

 private:
  std::filesystem::path path_;
  index_t vocab_;
  int width_;
  std::vector<std::uint64_t> ends_;
  std::vector<unsigned char> tokens_;
};

/// The tokens of one document, inside a mapped shard.
class token_run {
 public:
  token_run(const std::byte* data, int width, index_t count)
      : data_(data), width_(width), count_(count) {}

  index_t size() const { return count_; }
  std::int32_t operator[](index_t i) const {
    std::int32_t id = 0;
    std::memcpy(&id, data_ + i * width_, static_cast<std::size_t>(width_));
    return id;
  }
  /// Tokens [first, first + count) as 32-bit numbers.
  void copy(index_t first, index_t count, std::int32_t* out) const {
    for (index_t i = 0; i < count; ++i) out[i] = (*this)[first + i];
  }

 private:
  const std::byte* data_;
  int width_;
  index_t count_;
};

/// How much of a shard is looked at when it is opened.
enum class shard_check {
  structure,   ///< header, sizes and document ends: cost grows with the documents
  everything,  ///< also hash and every token: reads the file once
};

/// A shard, mapped. Throws `error` naming the path and what is wrong: truncated, another magic or
/// version, ends that do not ascend, another hash, a token outside the vocabulary.
class token_shard {
 public:
  explicit token_shard(const std::string& path, index_t vocab,
                       shard_check check = shard_check::everything)
      : file_(path) {
    const std::span<const std::byte> bytes = file_.bytes();
    shard_format::header head;
    expects(bytes.size() >= sizeof(head), path, " has ", bytes.size(),
            " bytes, expected at least the header of ", sizeof(head));
    std::memcpy(&head, bytes.data(), sizeof(head));
    expects(std::memcmp(head.magic, shard_format::magic, sizeof(head.magic)) == 0, path,
            " is no token shard: it does not begin with ", shard_format::magic);
    expects(head.version == shard_format::version, path, " has version ", head.version,
            ", this program reads ", shard_format::version);
    expects(head.width == 2 || head.width == 4, path, ": tokens of ", head.width,
            " bytes, expected 2 or 4");
    // In this order nothing overflows: each count is bounded by the bytes that are there.
    const std::uint64_t room = bytes.size() - sizeof(head);
    const bool documents_fit = head.documents <= room / 8;
    const bool fits = documents_fit && head.tokens <= (room - 8 * head.documents) / head.width &&
                      8 * head.documents + head.width * head.tokens == room;
    expects(fits, path, " has ", bytes.size(), " bytes, its header says ", head.documents,
            " documents and ", head.tokens, " tokens of ", head.width, " bytes; was it truncated?");
    expects(head.documents > 0, path, " has no documents");
    width_ = static_cast<int>(head.width);
    documents_ = static_cast<index_t>(head.documents);
    tokens_ = static_cast<index_t>(head.tokens);
    hash_ = head.hash;
    check_ends();
    if (check == shard_check::everything) check_content(vocab);
  }

  const std::string& path() const { return file_.path(); }
  index_t documents() const { return documents_; }
  index_t tokens() const { return tokens_; }
  /// The content hash that the header states.
  std::uint64_t hash() const { return hash_; }

  token_run document(index_t i) const {
    expects(i >= 0 && i < documents_, path(), ": document ", i, " of ", documents_);
    const index_t begin = i == 0 ? 0 : end(i - 1);
    return {token_data() + begin * width_, width_, end(i) - begin};
  }

 private:
  index_t end(index_t document) const {
    std::uint64_t value = 0;
    std::memcpy(&value, file_.bytes().data() + sizeof(shard_format::header) + 8 * document, 8);
    return static_cast<index_t>(value);
  }
  const std::byte* token_data() const {
    return file_.bytes().data() + sizeof(shard_format::header) + 8 * documents_;
  }

  void check_ends() const {
    index_t last = 0;
    for (index_t i = 0; i < documents_; ++i) {
      const index_t e = end(i);
      expects(e > last && e <= tokens_, path(), ": document ", i, " ends at token ", e,
              ", expected ", last + 1, " to ", tokens_);
      last = e;
    }
    expects(last == tokens_, path(), ": the documents end at token ", last, ", expected ", tokens_);
  }

  void check_content(index_t vocab) const {
    const std::span<const std::byte> bytes = file_.bytes();
    content_hash hash;
    hash.add(bytes.data(), shard_format::hashed_head);
    hash.add(bytes.data() + sizeof(shard_format::header),
             bytes.size() - sizeof(shard_format::header));
    expects(hash.value() == hash_, path(), " was damaged or edited: its content hash is ",
            hash.value(), ", its header says ", hash_);
    const token_run all(token_data(), width_, tokens_);
    for (index_t i = 0; i < tokens_; ++i)
      expects(all[i] >= 0 && all[i] < vocab, path(), ": token ", i, " is ", all[i],
              ", the vocabulary has ", vocab);
  }

  mapped_file file_;
  int width_ = 0;
  index_t documents_ = 0;
  index_t tokens_ = 0;
  std::uint64_t hash_ = 0;
};

}  // namespace dsr1
