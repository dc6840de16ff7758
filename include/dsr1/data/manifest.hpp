// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What a prepared data set consists of: manifest.json beside its shards.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <dsr1/data/text.hpp>
#include <dsr1/io/atomic_file.hpp>
#include <dsr1/io/json.hpp>

namespace dsr1 {

/// One of the files of a split.
struct shard_entry {
  std::string file;  ///< name in the manifest's folder
  index_t documents = 0;
  index_t tokens = 0;
  std::string hash;  ///< content hash in the shard's header, as `hash_text`
};

/// Training or held-out documents. `bytes` is the cleaned UTF-8 text that the tokens decode to, and
/// nothing else: bits per byte = (nats over `tokens + documents` targets) / ln 2 / bytes, where
/// each document costs one end-of-document token more than its text.
struct data_split {
  std::vector<shard_entry> shards;
  index_t documents = 0;
  index_t tokens = 0;
  index_t bytes = 0;
};

/// Where text came from, and what was kept of it (both splits together).
struct data_source {
  std::string name;
  std::string version;
  std::string licence;
  std::string kind;  ///< prose, code, ...; what the preparing program groups by
  index_t documents = 0;
  index_t tokens = 0;
  index_t bytes = 0;
};

/// A prepared data set. Reading validates every member and names file and key of what is wrong.
struct data_manifest {
  static constexpr int format = 1;

  std::filesystem::path folder;  ///< where the manifest was read; not stored
  index_t vocab = 0;
  std::int32_t end_of_document = 0;
  std::string tokenizer;       ///< file name in the folder
  std::string tokenizer_hash;  ///< content hash of that file
  data_split train, held_out;
  std::vector<data_source> sources;
  cleaning_report cleaning;
  json baselines = json::object();  ///< bits per byte of simple compressors on the held-out bytes
  json options = json::object();    ///< what the preparing program was asked for
};

namespace data_detail {

inline json to_json(const data_split& split) {
  json shards = json::array();
  for (const shard_entry& s : split.shards)
    shards.push_back(
        {{"file", s.file}, {"documents", s.documents}, {"tokens", s.tokens}, {"hash", s.hash}});
  return {{"documents", split.documents},
          {"tokens", split.tokens},
          {"bytes", split.bytes},
          {"shards", shards}};
}

/// A member that counts something.
inline index_t count_of(const json_object& o, const std::string& key) {
  const auto value = o.get<index_t>(key);
  expects(value >= 0, o.source(), ": \"", key, "\" is ", value, ", expected 0 or more");
  return value;
}

/// A file name that stays inside the folder.
inline std::string file_of(const json_object& o, const std::string& key) {
  auto name = o.get<std::string>(key);
  expects(!name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos,
          o.source(), ": \"", key, "\" is \"", name,
          "\", expected the name of a file in the same folder");
  return name;
}

inline std::vector<json_object> list_of(const json_object& o, const std::string& key) {
  const json list = o.get<json>(key);
  expects(list.is_array(), o.source(), ": \"", key, "\" is ", list.type_name(),
          ", expected a list");
  std::vector<json_object> out;
  for (std::size_t i = 0; i < list.size(); ++i)
    out.emplace_back(list[i], text(o.source(), ": \"", key, "\"[", i, "]"));
  return out;
}

inline data_split split_of(const json_object& o) {
  data_split split{.shards = {},
                   .documents = count_of(o, "documents"),
                   .tokens = count_of(o, "tokens"),
                   .bytes = count_of(o, "bytes")};
  index_t documents = 0, tokens = 0;
  for (const json_object& s : list_of(o, "shards")) {
    split.shards.push_back({file_of(s, "file"), count_of(s, "documents"), count_of(s, "tokens"),
                            s.get<std::string>("hash")});
    documents += split.shards.back().documents;
    tokens += split.shards.back().tokens;
  }
  expects(documents == split.documents, o.source(), ": \"documents\" is ", split.documents,
          ", the shards have ", documents);
  expects(tokens == split.tokens, o.source(), ": \"tokens\" is ", split.tokens,
          ", the shards have ", tokens);
  return split;
}

}  // namespace data_detail

/// Writes `folder`/manifest.json, whole or not at all.
inline void write_manifest(const std::filesystem::path& folder, const data_manifest& m) {
  json sources = json::array();
  for (const data_source& s : m.sources)
    sources.push_back({{"name", s.name},
                       {"version", s.version},
                       {"licence", s.licence},
                       {"kind", s.kind},
                       {"documents", s.documents},
                       {"tokens", s.tokens},
                       {"bytes", s.bytes}});
  json rules = json::object();
  for (std::size_t i = 0; i < text_rule_names.size(); ++i)
    rules[std::string(text_rule_names[i])] = {{"documents", m.cleaning.rules[i].documents},
                                              {"bytes", m.cleaning.rules[i].bytes}};
  const json out = {{"format", data_manifest::format},
                    {"vocab", m.vocab},
                    {"end_of_document", m.end_of_document},
                    {"tokenizer", m.tokenizer},
                    {"tokenizer_hash", m.tokenizer_hash},
                    {"train", data_detail::to_json(m.train)},
                    {"held_out", data_detail::to_json(m.held_out)},
                    {"sources", sources},
                    {"cleaning", {{"kept_bytes", m.cleaning.kept_bytes}, {"rules", rules}}},
                    {"baselines", m.baselines},
                    {"options", m.options}};
  // Names come from files and archives: what is not UTF-8 in them is replaced, not an error.
  write_file(folder / "manifest.json",
             out.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
}

/// Reads `folder`/manifest.json. Throws `error` naming the file and the key that is missing, of
/// another type, out of range, or contradicts another.
inline data_manifest read_manifest(const std::filesystem::path& folder) {
  const json_object o = json_object::read((folder / "manifest.json").string());
  const int format = o.get<int>("format");
  expects(format == data_manifest::format, o.source(), ": \"format\" is ", format,
          ", this program reads ", data_manifest::format);
  data_manifest m;
  m.folder = folder;
  m.vocab = o.get<index_t>("vocab");
  expects(m.vocab > 0 && m.vocab <= 0x7fffffff, o.source(), ": \"vocab\" is ", m.vocab,
          ", expected 1 to 2147483647");
  m.end_of_document = o.get<std::int32_t>("end_of_document");
  expects(m.end_of_document >= 0 && m.end_of_document < m.vocab, o.source(),
          ": \"end_of_document\" is ", m.end_of_document, ", expected 0 to ", m.vocab - 1);
  m.tokenizer = data_detail::file_of(o, "tokenizer");
  m.tokenizer_hash = o.get<std::string>("tokenizer_hash");
  m.train = data_detail::split_of(o.object("train"));
  m.held_out = data_detail::split_of(o.object("held_out"));
  for (const json_object& s : data_detail::list_of(o, "sources"))
    m.sources.push_back({s.get<std::string>("name"), s.get<std::string>("version"),
                         s.get<std::string>("licence"), s.get<std::string>("kind"),
                         data_detail::count_of(s, "documents"), data_detail::count_of(s, "tokens"),
                         data_detail::count_of(s, "bytes")});
  const json_object cleaning = o.object("cleaning"), rules = cleaning.object("rules");
  m.cleaning.kept_bytes = data_detail::count_of(cleaning, "kept_bytes");
  for (std::size_t i = 0; i < text_rule_names.size(); ++i) {
    const json_object rule = rules.object(std::string(text_rule_names[i]));
    m.cleaning.rules[i] = {data_detail::count_of(rule, "documents"),
                           data_detail::count_of(rule, "bytes")};
  }
  m.baselines = o.object("baselines").value();
  m.options = o.object("options").value();
  return m;
}

}  // namespace dsr1
