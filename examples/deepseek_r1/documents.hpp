// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Finds files and turns each into plain text.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <dsr1/data/manifest.hpp>

namespace seed {

enum class markup { plain, html, roff };

struct found_file {
  std::filesystem::path path;
  std::size_t source = 0;  ///< index into `found_files::sources`
  markup kind = markup::plain;
  bool compressed = false;
};

struct found_files {
  std::vector<found_file> files;  ///< sorted by path: the order decides which duplicate stays
  std::vector<dsr1::data_source>
      sources;                ///< names, versions, licences and kinds; numbers are zero
  dsr1::index_t skipped = 0;  ///< files whose names promise no text
};

/// Walks folders; a file given by name is taken whatever its name. Symbolic links are not followed.
/// A folder may hold sources.tsv, with lines "name <tab> version <tab> licence <tab> kind" for its
/// sub-folders, each a source of its own; any other input is one source.
/// Throws dsr1::error naming an input that does not exist, or a malformed line of sources.tsv.
found_files find_files(std::span<const std::string> inputs);

/// The text of a file: decompressed, markup removed, not cleaned yet. Throws dsr1::error naming the
/// file when it cannot be read, is no valid gzip file, or has more than 64 MiB of text.
std::string read_text(const found_file& file);

/// Consecutive parts of at most `limit` bytes, cut after a blank line if there is one in the second
/// half, else after a line, else between characters. A long document would otherwise be all that
/// several training steps see.
std::vector<std::string_view> cut(std::string_view document, std::size_t limit);

}  // namespace seed
