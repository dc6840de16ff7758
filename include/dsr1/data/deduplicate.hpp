// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Finds documents that came before: the same text, or mostly the same lines.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <dsr1/core/hash.hpp>
#include <dsr1/data/text.hpp>

namespace dsr1 {

struct duplicate_options {
  index_t long_line = 40;  ///< shorter lines ("}", "SEE ALSO") say nothing about copying
  double share = 0.5;      ///< of the bytes in long lines that may have been seen before
};

/// Remembers the documents it let through, as 64-bit hashes of texts and of lines whose runs of
/// white space count as one blank. What it answers depends on the order of the documents alone.
/// Two different texts collide with a probability of about n^2 / 2^65 for n of them.
class duplicate_filter {
 public:
  explicit duplicate_filter(duplicate_options options = {}) : options_(options) {
    expects(options.long_line > 0 && options.share > 0 && options.share <= 1,
            "duplicate_filter: long_line is ", options.long_line, " and share ", options.share,
            ", expected above 0, and above 0 to 1");
  }

  /// `kept` for a new document, which is remembered; else `duplicate` or `near_duplicate`.
  text_rule check(std::string_view document) {
    content_hash whole;
    std::size_t seen = 0, all = 0;
    found_.clear();
    for (std::size_t begin = 0; begin < document.size();) {
      std::size_t end = document.find('\n', begin);
      if (end == std::string_view::npos) end = document.size();
      collapse(document.substr(begin, end - begin));
      begin = end + 1;
      if (line_.empty()) continue;
      line_ += '\n';
      whole.add(line_.data(), line_.size());
      if (static_cast<index_t>(line_.size()) <= options_.long_line) continue;
      content_hash hash;
      hash.add(line_.data(), line_.size());
      found_.push_back(hash.value());
      all += line_.size();
      if (lines_.contains(found_.back())) seen += line_.size();
    }
    if (documents_.contains(whole.value())) return text_rule::duplicate;
    if (static_cast<double>(seen) > options_.share * static_cast<double>(all))
      return text_rule::near_duplicate;
    documents_.insert(whole.value());
    lines_.insert(found_.begin(), found_.end());
    return text_rule::kept;
  }

 private:
  void collapse(std::string_view line) {
    line_.clear();
    for (const char c : line) {
      const bool blank = c == ' ' || c == '\t' || c == '\r';
      if (!blank)
        line_ += c;
      else if (!line_.empty() && line_.back() != ' ')
        line_ += ' ';
    }
    if (!line_.empty() && line_.back() == ' ') line_.pop_back();
  }

  duplicate_options options_;
  std::unordered_set<std::uint64_t> documents_, lines_;
  std::vector<std::uint64_t> found_;
  std::string line_;
};

}  // namespace dsr1
