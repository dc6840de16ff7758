// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Cuts a text into the words that byte-pair merges never cross.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dsr1/text/regex.hpp>
#include <dsr1/text/steps.hpp>
#include <dsr1/text/unicode_version.hpp>

namespace dsr1 {
namespace text_detail {

/// What becomes of the matches of a Split.
enum class split_rule { isolated, removed, merged_with_previous, merged_with_next, contiguous };

inline split_rule split_rule_of(const json_object& step) {
  const auto name = step.get<std::string>("behavior");
  if (name == "Isolated") return split_rule::isolated;
  if (name == "Removed") return split_rule::removed;
  if (name == "MergedWithPrevious") return split_rule::merged_with_previous;
  if (name == "MergedWithNext") return split_rule::merged_with_next;
  expects(name == "Contiguous", step.source(), ": \"behavior\" is \"", name,
          "\", expected Isolated, Removed, MergedWithPrevious, MergedWithNext or Contiguous");
  return split_rule::contiguous;
}

struct stretch {
  std::size_t begin, end;
  bool match;
};

/// Joins or drops stretches that cover a text, as the rule says.
inline std::vector<stretch> joined(std::vector<stretch> all, split_rule rule) {
  if (rule == split_rule::isolated) return all;
  std::vector<stretch> out;
  if (rule == split_rule::removed) {
    for (const stretch& s : all)
      if (!s.match) out.push_back(s);
    return out;
  }
  const bool backwards = rule == split_rule::merged_with_next;
  bool previous = false;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const stretch s = all[backwards ? all.size() - 1 - i : i];
    const bool join = rule == split_rule::contiguous ? s.match == previous : s.match && !previous;
    previous = s.match;
    if (!join || out.empty())
      out.push_back(s);
    else if (backwards)
      out.back().begin = s.begin;
    else
      out.back().end = s.end;
  }
  if (backwards) return {out.rbegin(), out.rend()};
  return out;
}

}  // namespace text_detail

/// The member "pre_tokenizer" of a tokenizer file: Split, Digits, ByteLevel, or a Sequence of these
/// in which ByteLevel comes last. Any other type is an error that names it.
class pre_tokenizer {
 public:
  pre_tokenizer() = default;
  pre_tokenizer(const json& value, const std::string& place) {
    for_each_step(value, place, "pretokenizers", [&](const json_object& o) {
      expects(!byte_level_, o.source(), ": unsupported after ByteLevel");
      const auto type = o.get<std::string>("type");
      if (type == "Split")
        add_split(o);
      else if (type == "Digits")
        add_digits(o);
      else if (type == "ByteLevel")
        add_byte_level(o);
      else
        refuse_step(o, "Split, Digits, ByteLevel, Sequence");
    });
  }

  /// True when words are to be seen as bytes, each with a character of its own.
  bool byte_level() const { return byte_level_; }

  /// Calls f(word) for every word of a well-formed text, from left to right; none is empty.
  template <class F>
  void operator()(std::string_view text, regex_scratch& scratch, F&& f) const {
    if (steps_.empty()) {
      if (!text.empty()) f(text);
      return;
    }
    scratch.allow(text.size());
    std::string storage;
    run(0, {text, as_unicode_14(text, storage)}, scratch, f);
  }

 private:
  /// A part of the text, and the same part as regexes see it.
  struct part {
    std::string_view real, seen;

    part cut(std::size_t begin, std::size_t end) const {
      return {real.substr(begin, end - begin), seen.substr(begin, end - begin)};
    }
  };
  /// A space before what does not begin with one, or (with a regex) a split.
  struct step {
    std::optional<regex> pattern;
    text_detail::split_rule rule = text_detail::split_rule::isolated;
    bool invert = false;
  };

  void add_split(const json_object& o) {
    o.expect_only({"type", "pattern", "behavior", "invert"});
    auto [content, is_regex] = step_pattern::of(o);
    if (!is_regex) {
      std::string quoted;
      for (const char c : content) {
        const bool sign = c > ' ' && c <= '~' &&
                          std::string_view("\\^$.|?*+()[]{}").find(c) != std::string_view::npos;
        quoted += sign ? std::string("\\") + c : std::string(1, c);
      }
      content = std::move(quoted);
    }
    steps_.push_back({regex(content, o.source() + ".pattern"), text_detail::split_rule_of(o),
                      o.get<bool>("invert", false)});
  }
  void add_digits(const json_object& o) {
    o.expect_only({"type", "individual_digits"});
    steps_.push_back({regex("\\p{N}", o.source()),
                      o.get<bool>("individual_digits") ? text_detail::split_rule::isolated
                                                       : text_detail::split_rule::contiguous,
                      false});
  }
  void add_byte_level(const json_object& o) {
    o.expect_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    byte_level_ = true;
    if (o.get<bool>("add_prefix_space")) steps_.emplace_back();
    if (o.get<bool>("use_regex", true))  // GPT-2's
      steps_.push_back({regex(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+)"
                              R"(|\s+(?!\S)|\s+)",
                              o.source()),
                        text_detail::split_rule::isolated, false});
  }

  template <class F>
  void run(std::size_t i, part p, regex_scratch& scratch, F& f) const {
    if (p.real.empty()) return;
    if (i == steps_.size()) {
      f(p.real);
      return;
    }
    const step& s = steps_[i];
    if (!s.pattern) {
      if (p.real.front() == ' ') return run(i + 1, p, scratch, f);
      const std::string real = " " + std::string(p.real), seen = " " + std::string(p.seen);
      return run(i + 1, {real, seen}, scratch, f);
    }
    if (s.rule == text_detail::split_rule::isolated) {
      std::size_t done = 0;
      s.pattern->for_each_match(p.seen, scratch, [&](std::size_t begin, std::size_t end) {
        run(i + 1, p.cut(done, begin), scratch, f);
        run(i + 1, p.cut(begin, end), scratch, f);
        done = end;
      });
      return run(i + 1, p.cut(done, p.real.size()), scratch, f);
    }
    std::vector<text_detail::stretch> all;
    std::size_t done = 0;
    s.pattern->for_each_match(p.seen, scratch, [&](std::size_t begin, std::size_t end) {
      if (done < begin) all.push_back({done, begin, s.invert});
      all.push_back({begin, end, !s.invert});
      done = end;
    });
    if (done < p.real.size()) all.push_back({done, p.real.size(), s.invert});
    for (const auto& part_of : text_detail::joined(std::move(all), s.rule))
      run(i + 1, p.cut(part_of.begin, part_of.end), scratch, f);
  }

  std::vector<step> steps_;
  bool byte_level_ = false;
};

}  // namespace dsr1
