// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Tokenised examples of which some tokens are to be learned: what fine-tuning reads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <dsr1/core/error.hpp>
#include <dsr1/core/hash.hpp>
#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

/// The tokens of an example from its first, which is only read, to its last, and for each whether
/// the model is to learn to say it (1) or only reads it (0).
struct token_example {
  std::vector<std::int32_t> tokens;
  std::vector<std::uint8_t> learned;

  void add(std::span<const std::int32_t> more, bool learn) {
    tokens.insert(tokens.end(), more.begin(), more.end());
    learned.resize(tokens.size(), learn ? 1 : 0);
  }
};

/// What becomes of an example with more rows than a sequence may have.
enum class over_length {
  refuse,  ///< an `error` that names the example
  cut,     ///< its first rows stay; it is left out when none of those is learned
};

struct example_options {
  index_t length = 1024;  ///< most rows of an example, one fewer than its tokens
  over_length longer = over_length::refuse;
};

/// Examples in memory, in the order in which they were added.
class example_set {
 public:
  struct example {
    std::span<const std::int32_t> tokens;
    std::span<const std::uint8_t> learned;
    index_t rows() const { return static_cast<index_t>(tokens.size()) - 1; }
  };

  /// Throws `error` unless length is above zero.
  explicit example_set(example_options options = {}) : options_(options) {
    expects(options.length > 0, "example_set: a length of ", options.length,
            ", expected one or more");
  }

  /// Adds an example; false when it was cut to a part in which nothing is learned, and so left out.
  /// Throws `error` naming the example when it is too long (see `over_length`), has fewer than two
  /// tokens, or nothing of it is learned.
  bool add(const token_example& e, std::string_view name) {
    expects(e.tokens.size() >= 2 && e.tokens.size() == e.learned.size(), name, ": ",
            e.tokens.size(), " tokens and ", e.learned.size(),
            " marks, expected two or more and as many");
    expects(count(e.learned, 1) > 0, name, ": nothing is learned of its ", e.tokens.size(),
            " tokens, expected one or more after the first");
    const auto most = static_cast<std::size_t>(options_.length) + 1;
    const std::size_t keep = std::min(e.tokens.size(), most);
    if (keep < e.tokens.size()) {
      expects(options_.longer == over_length::cut, name, ": an example of ", e.tokens.size() - 1,
              " rows, expected at most ", options_.length);
      ++cut_;
    }
    const std::span<const std::uint8_t> marks(e.learned.data(), keep);
    if (count(marks, 1) == 0) {
      ++left_out_;
      return false;
    }
    tokens_.insert(tokens_.end(), e.tokens.begin(),
                   e.tokens.begin() + static_cast<std::ptrdiff_t>(keep));
    learned_.insert(learned_.end(), marks.begin(), marks.end());
    ends_.push_back(tokens_.size());
    const std::uint64_t size = keep;
    hash_.add(&size, sizeof(size));
    hash_.add(e.tokens.data(), keep * sizeof(std::int32_t));
    hash_.add(marks.data(), keep);
    targets_ += count(marks, 1);
    longest_ = std::max(longest_, static_cast<index_t>(keep) - 1);
    return true;
  }

  index_t size() const { return static_cast<index_t>(ends_.size()); }
  /// Rows of all examples together, and of the longest.
  index_t rows() const { return static_cast<index_t>(tokens_.size()) - size(); }
  index_t longest() const { return longest_; }
  /// Targets that count in one pass.
  index_t targets() const { return targets_; }
  /// How many examples were too long, and how many of those were left out altogether.
  index_t cut() const { return cut_; }
  index_t left_out() const { return left_out_; }
  /// Tells sets apart: from tokens, marks and order.
  std::uint64_t hash() const { return hash_.value(); }

  example operator[](index_t i) const {
    expects(i >= 0 && i < size(), "example ", i, " of a set of ", size());
    const auto n = static_cast<std::size_t>(i);
    const std::size_t begin = n == 0 ? 0 : ends_[n - 1], length = ends_[n] - begin;
    return {{tokens_.data() + begin, length}, {learned_.data() + begin, length}};
  }

 private:
  /// How many are learned from `first` on; the first token is no target.
  static index_t count(std::span<const std::uint8_t> marks, std::size_t first) {
    const auto begin = marks.begin() + static_cast<std::ptrdiff_t>(first);
    return std::count_if(begin, marks.end(), [](std::uint8_t m) { return m != 0; });
  }

  example_options options_;
  std::vector<std::int32_t> tokens_;
  std::vector<std::uint8_t> learned_;
  std::vector<std::size_t> ends_;
  content_hash hash_;
  index_t targets_ = 0, longest_ = 0, cut_ = 0, left_out_ = 0;
};

}  // namespace dsr1
