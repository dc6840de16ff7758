// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Stop strings in a text that comes in pieces.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dsr1/core/error.hpp>

namespace dsr1 {

/// Gives out a text up to the stop string that is complete first (of several that end together, the
/// longest). Text that may be the beginning of a stop string is held back until it is not, so no
/// part of the one that stops is ever shown; so is the beginning of a character, for pieces may cut
/// the text anywhere, and where they do changes nothing of the whole. Knuth, Morris and Pratt 1977:
/// a byte costs amortised constant time per stop string.
/// Throws `error` on an empty stop string.
class stop_matcher {
 public:
  stop_matcher() = default;
  explicit stop_matcher(std::vector<std::string> stops) {
    for (std::string& s : stops) {
      expects(!s.empty(), "stop string ", patterns_.size(), " is empty");
      patterns_.emplace_back(std::move(s));
    }
  }

  /// Takes the next piece and returns what may be shown now; nothing once a stop string came.
  std::string push(std::string_view piece) {
    if (stopped()) return {};
    for (const char c : piece) {
      kept_ += c;
      std::size_t longest = 0;
      for (std::size_t i = 0; i < patterns_.size(); ++i)
        if (patterns_[i].advance(c) && patterns_[i].stop.size() > longest) {
          longest = patterns_[i].stop.size();
          which_ = i;
        }
      if (longest == 0) continue;
      kept_.resize(kept_.size() - longest);
      return std::exchange(kept_, {});
    }
    std::size_t hold = unfinished_character();
    for (const pattern& p : patterns_) hold = std::max(hold, p.matched);
    std::string shown = kept_.substr(0, kept_.size() - hold);
    kept_.erase(0, shown.size());
    return shown;
  }

  /// What was held back, when no piece follows. The next push begins a new text.
  std::string finish() {
    std::string rest = std::exchange(kept_, {});
    restart();
    return rest;
  }

  /// Forgets the text.
  void restart() {
    kept_.clear();
    which_.reset();
    for (pattern& p : patterns_) p.matched = 0;
  }

  bool stopped() const { return which_.has_value(); }
  /// The stop string that came; throws `error` before one did.
  const std::string& found() const {
    expects(stopped(), "stop_matcher: no stop string came yet, expected one");
    return patterns_[*which_].stop;
  }

 private:
  struct pattern {
    explicit pattern(std::string s) : stop(std::move(s)), border(stop.size() + 1) {
      for (std::size_t i = 1, k = 0; i < stop.size(); border[++i] = k) {
        while (k > 0 && stop[i] != stop[k]) k = border[k];
        if (stop[i] == stop[k]) ++k;
      }
    }
    /// True when the text ends with the stop string now.
    bool advance(char c) {
      if (matched == stop.size()) matched = border[matched];
      while (matched > 0 && stop[matched] != c) matched = border[matched];
      if (stop[matched] == c) ++matched;
      return matched == stop.size();
    }
    std::string stop;
    std::vector<std::size_t> border;  // [n]: the longest end of the first n bytes that begins them
    std::size_t matched = 0;          // the text ends with so many bytes of `stop`
  };

  /// How many bytes at the end of the text begin a UTF-8 character that is not whole.
  std::size_t unfinished_character() const {
    for (std::size_t n = 1; n <= std::min<std::size_t>(kept_.size(), 3); ++n) {
      const auto byte = static_cast<unsigned char>(kept_[kept_.size() - n]);
      if (byte < 0x80) return 0;
      if (byte < 0xC0) continue;  // not the first of its character
      const std::size_t bytes = byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : byte < 0xF8 ? 4 : 1;
      return n < bytes ? n : 0;
    }
    return 0;
  }

  std::vector<pattern> patterns_;
  std::string kept_;
  std::optional<std::size_t> which_;
};

}  // namespace dsr1
