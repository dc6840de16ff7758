// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A folder that lives as long as a test, and small data sets in it.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <dsr1/core/random.hpp>
#include <dsr1/data/dataset.hpp>

namespace data_test {

namespace fs = std::filesystem;
using dsr1::index_t;

struct folder {
  fs::path path;
  folder() {
    static int count = 0;
    path = fs::temp_directory_path() /
           ("dsr1-data-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
    fs::create_directories(path);
  }
  ~folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  fs::path operator/(const std::string& name) const { return path / name; }
};

inline std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

inline void write(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

using documents = std::vector<std::vector<std::int32_t>>;

/// `count` documents of 1 to `longest` random tokens of 1 to vocab - 1; 0 ends documents.
inline documents random_documents(int count, index_t longest, index_t vocab, std::uint64_t seed) {
  const dsr1::random_stream r(seed);
  documents out(static_cast<std::size_t>(count));
  std::uint64_t at = 0;
  for (auto& d : out) {
    d.resize(1 + r.below(at++, static_cast<std::uint64_t>(longest)));
    for (auto& t : d)
      t = static_cast<std::int32_t>(1 + r.below(at++, static_cast<std::uint64_t>(vocab - 1)));
  }
  return out;
}

inline dsr1::shard_entry write_shard(const fs::path& path, index_t vocab, const documents& all) {
  dsr1::shard_writer writer(path, vocab);
  for (const auto& d : all) writer.add(d);
  const std::uint64_t hash = writer.commit();
  return {path.filename().string(), writer.documents(), writer.tokens(), dsr1::hash_text(hash)};
}

/// A manifest whose training split holds the documents, in shards of `per_shard`.
inline dsr1::data_manifest manifest_of(const fs::path& folder, index_t vocab, const documents& all,
                                       std::size_t per_shard) {
  dsr1::data_manifest m;
  m.folder = folder;
  m.vocab = vocab;
  m.tokenizer = "tokenizer.model";
  m.tokenizer_hash = dsr1::hash_text(1);
  for (std::size_t first = 0; first < all.size(); first += per_shard) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first);
    const auto end =
        all.begin() + static_cast<std::ptrdiff_t>(std::min(first + per_shard, all.size()));
    m.train.shards.push_back(
        write_shard(folder / ("train-" + std::to_string(first) + ".tokens"), vocab, {begin, end}));
    m.train.documents += m.train.shards.back().documents;
    m.train.tokens += m.train.shards.back().tokens;
  }
  m.train.bytes = 3 * m.train.tokens;
  return m;
}

}  // namespace data_test
