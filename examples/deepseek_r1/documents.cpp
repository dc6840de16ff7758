// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Finds files and turns each into plain text.

#include "documents.hpp"

#include <zlib.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <memory>
#include <set>

#include <dsr1/core/error.hpp>

#include "markup.hpp"

namespace seed {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t largest = std::size_t{64} << 20;

const std::set<std::string, std::less<>> plain_endings = {
    "txt", "md",  "rst", "adoc", "text", "tex",   "pod",  "org", "c",   "h",  "hpp", "hh",
    "hxx", "cc",  "cpp", "cxx",  "inc",  "tcc",   "cu",   "cuh", "py",  "go", "rs",  "java",
    "js",  "ts",  "rb",  "pl",   "pm",   "sh",    "bash", "lua", "scm", "hs", "ml",  "cmake",
    "sql", "awk", "el",  "lisp", "f90",  "swift", "kt",   "cs",  "php", "r",  "jl",  "tcl"};
const std::set<std::string, std::less<>> html_endings = {"html", "htm", "xhtml", "page"};

/// ".3", ".1ssl", ".3type": the section of a manual page.
bool is_manual_section(std::string_view ending) {
  return !ending.empty() && ending[0] >= '1' && ending[0] <= '9' && ending.size() <= 6 &&
         std::all_of(ending.begin() + 1, ending.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

/// Sets kind and compression from the name; false when it promises no text.
bool classify(found_file& file) {
  std::string name = file.path.filename().string();
  file.compressed = name.ends_with(".gz");
  if (file.compressed) name.resize(name.size() - 3);
  const std::size_t dot = name.rfind('.');
  if (dot == std::string::npos)
    return !file.compressed;  // README, and the headers of a C++ library
  std::string ending = name.substr(dot + 1);
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  if (html_endings.contains(ending))
    file.kind = markup::html;
  else if (is_manual_section(ending))
    file.kind = markup::roff;
  else
    return plain_endings.contains(ending);
  return true;
}

std::vector<dsr1::data_source> read_sources(const fs::path& path) {
  std::vector<dsr1::data_source> out;
  std::ifstream in(path);
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    std::vector<std::string> fields(1);
    for (const char c : line) {
      if (c == '\t')
        fields.emplace_back();
      else
        fields.back() += c;
    }
    dsr1::expects(fields.size() == 4 && !fields[0].empty(), path.string(), ":", number, " has ",
                  fields.size(), " fields, expected name, version, licence and kind between tabs");
    out.push_back(
        {.name = fields[0], .version = fields[1], .licence = fields[2], .kind = fields[3]});
  }
  return out;
}

std::string inflated(const fs::path& path) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  dsr1::expects(file != nullptr, "cannot open ", path.string());
  std::string out;
  char block[1 << 16];
  for (;;) {
    const int n = gzread(file.get(), block, sizeof(block));
    if (n <= 0) break;
    out.append(block, static_cast<std::size_t>(n));
    dsr1::expects(out.size() <= largest, path.string(), " has more than ", largest, " bytes");
  }
  int failure = Z_OK;
  const char* reason = gzerror(file.get(), &failure);
  dsr1::expects(failure == Z_OK || failure == Z_STREAM_END, "cannot read ", path.string(), ": ",
                reason);
  return out;
}

}  // namespace

found_files find_files(std::span<const std::string> inputs) {
  found_files out;
  for (const std::string& input : inputs) {
    const fs::path root(input);
    dsr1::expects(fs::exists(root), "input ", input, " does not exist");
    const std::size_t first = out.sources.size();
    const fs::path table = root / "sources.tsv";
    const bool listed = fs::is_directory(root) && fs::exists(table);
    if (listed)
      for (dsr1::data_source& s : read_sources(table)) out.sources.push_back(std::move(s));
    const std::size_t rest = out.sources.size();  // what belongs to no listed source
    fs::path name = root.lexically_normal();
    if (!name.has_filename()) name = name.parent_path();
    out.sources.push_back(
        {.name = name.filename().string(), .version = "", .licence = "not stated", .kind = "text"});
    if (!fs::is_directory(root)) {
      found_file file{.path = root, .source = rest};
      classify(file);
      out.files.push_back(file);
      continue;
    }
    for (const auto& entry :
         fs::recursive_directory_iterator(root, fs::directory_options::skip_permission_denied)) {
      if (entry.is_symlink() || !entry.is_regular_file() || entry.path() == table) continue;
      found_file file{.path = entry.path(), .source = rest};
      const std::string top = entry.path().lexically_relative(root).begin()->string();
      for (std::size_t s = first; s < rest; ++s)
        if (out.sources[s].name == top) file.source = s;
      if (classify(file))
        out.files.push_back(file);
      else
        ++out.skipped;
    }
  }
  std::sort(out.files.begin(), out.files.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  return out;
}

std::string read_text(const found_file& file) {
  std::string raw;
  if (file.compressed) {
    raw = inflated(file.path);
  } else {
    std::error_code failure;
    const auto size = fs::file_size(file.path, failure);
    dsr1::expects(!failure, "cannot read ", file.path.string(), ": ", failure.message());
    dsr1::expects(size <= largest, file.path.string(), " has ", size, " bytes, expected at most ",
                  largest);
    std::ifstream in(file.path, std::ios::binary);
    raw.resize(size);
    in.read(raw.data(), static_cast<std::streamsize>(size));
    dsr1::expects(in.good(), "cannot read ", file.path.string());
  }
  if (raw.find('\0') != std::string::npos) return raw;  // binary: the cleaning rules count it
  if (file.kind == markup::html) return html_to_text(raw);
  if (file.kind == markup::roff) return roff_to_text(raw);
  return raw;
}

std::vector<std::string_view> cut(std::string_view document, std::size_t limit) {
  std::vector<std::string_view> out;
  while (document.size() > limit) {
    const std::string_view head = document.substr(0, limit);
    std::size_t end = head.rfind("\n\n");
    end = end == std::string_view::npos || end + 2 < limit / 2 ? head.rfind('\n') : end + 1;
    if (end != std::string_view::npos) {
      end += 1;
    } else {
      for (end = limit; (static_cast<unsigned char>(document[end]) & 0xC0u) == 0x80u;) --end;
    }
    out.push_back(document.substr(0, end));
    document.remove_prefix(end);
  }
  if (!document.empty()) out.push_back(document);
  return out;
}

}  // namespace seed
