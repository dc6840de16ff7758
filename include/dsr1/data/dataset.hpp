// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The documents of one split, whatever number of shards they lie in.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <dsr1/core/hash.hpp>
#include <dsr1/data/manifest.hpp>
#include <dsr1/data/shard.hpp>

namespace dsr1 {

/// All shards of a split, opened and held to the manifest. Throws `error` naming the file when a
/// shard is missing or damaged, or is not the one that the manifest describes; and when the split
/// is empty.
class dataset {
 public:
  dataset(const data_manifest& manifest, const data_split& split,
          shard_check check = shard_check::everything)
      : end_of_document_(manifest.end_of_document), bytes_(split.bytes) {
    const std::string where = (manifest.folder / "manifest.json").string();
    expects(!split.shards.empty(), where, ": a split without shards, expected at least one");
    content_hash hash;
    for (const shard_entry& e : split.shards) {
      const std::string path = (manifest.folder / e.file).string();
      const token_shard& s = shards_.emplace_back(path, manifest.vocab, check);
      expects(
          hash_text(s.hash()) == e.hash && s.documents() == e.documents && s.tokens() == e.tokens,
          path, " has ", s.documents(), " documents, ", s.tokens(), " tokens and hash ",
          hash_text(s.hash()), "; ", where, " says ", e.documents, ", ", e.tokens, " and ", e.hash);
      ends_.push_back(documents() + s.documents());
      tokens_ += s.tokens();
      const std::uint64_t h = s.hash();
      hash.add(&h, sizeof(h));
    }
    hash_ = hash.value();
  }

  index_t documents() const { return ends_.empty() ? 0 : ends_.back(); }
  /// Without the end-of-document tokens.
  index_t tokens() const { return tokens_; }
  /// Targets in one pass: every token, and the end of every document.
  index_t targets() const { return tokens_ + documents(); }
  /// UTF-8 bytes of the text that the tokens decode to.
  index_t bytes() const { return bytes_; }
  std::int32_t end_of_document() const { return end_of_document_; }
  /// Tells data sets apart: from the hashes of the shards, in order.
  std::uint64_t hash() const { return hash_; }

  token_run document(index_t i) const {
    expects(i >= 0 && i < documents(), "document ", i, " of a data set of ", documents());
    const auto shard = std::upper_bound(ends_.begin(), ends_.end(), i) - ends_.begin();
    const auto s = static_cast<std::size_t>(shard);
    return shards_[s].document(s == 0 ? i : i - ends_[s - 1]);
  }

 private:
  std::vector<token_shard> shards_;
  std::vector<index_t> ends_;  // documents up to and with each shard
  index_t tokens_ = 0;
  std::int32_t end_of_document_;
  index_t bytes_;
  std::uint64_t hash_ = 0;
};

}  // namespace dsr1
