// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Replacing every match of a string or a regex: a normalizer and a decoder do it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <dsr1/text/regex.hpp>
#include <dsr1/text/steps.hpp>
#include <dsr1/text/unicode_version.hpp>

namespace dsr1 {

/// Read from {"type": "Replace", "pattern": ..., "content": "..."}. Matches do not overlap and are
/// found from left to right.
class replacement {
 public:
  explicit replacement(const json_object& step) {
    step.expect_only({"type", "pattern", "content"});
    auto [content, is_regex] = step_pattern::of(step);
    content_ = step.get<std::string>("content");
    if (is_regex)
      regex_.emplace(content, step.source() + ".pattern");
    else
      sought_ = std::move(content);
    place_ = step.source();
  }

  /// The text is well-formed. Throws `error` when it grows beyond 64 KiB and 256 times its size.
  std::string operator()(std::string_view in, regex_scratch& scratch) const {
    std::string out;
    std::size_t done = 0;
    const auto put = [&](std::size_t begin, std::size_t end) {
      out.append(in, done, begin - done).append(content_);
      done = end;
      expects(out.size() <= 65'536 + 256 * in.size(), place_, ": a text of ", in.size(),
              " bytes grows to more than ", out.size());
    };
    if (regex_) {
      std::string storage;
      regex_->for_each_match(as_unicode_14(in, storage), scratch, put);
    } else {
      for (std::size_t at = 0; (at = in.find(sought_, at)) != std::string_view::npos;) {
        put(at, at + sought_.size());
        at = done;
      }
    }
    return out.append(in, done);
  }

 private:
  std::string sought_, content_, place_;
  std::optional<regex> regex_;
};

}  // namespace dsr1
