// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The regexes of tokenizer files, written for Oniguruma, in the words of PCRE2.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include <dsr1/core/error.hpp>

namespace dsr1 {
namespace text_detail {

// The two engines differ in these; so they are spelled out.
inline constexpr std::string_view space_ranges =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
inline constexpr std::string_view word_ranges =
    R"(\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{b2}\x{b3}\x{b9}\x{bc}-\x{be})";

/// Walks over a pattern once and writes what PCRE2 understands the same way.
class regex_translator {
 public:
  regex_translator(std::string_view pattern, std::string_view place)
      : pattern_(pattern), place_(place) {}

  std::string run() {
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c == '\\')
        escape(false);
      else if (c == '[')
        character_class();
      else if (c == '(')
        group();
      else if (c == ')')
        close();
      else if (c == '{')
        braces();
      else if (c == '^' || c == '$')
        line_end(c);
      else
        copy(1);
    }
    return std::move(out_);
  }

 private:
  template <class... Parts>
  void refuse(const Parts&... parts) const {
    throw error(text(place_, ": unsupported regex syntax: ", parts..., ", at byte ", at_));
  }
  char peek(std::size_t ahead) const {
    return at_ + ahead < pattern_.size() ? pattern_[at_ + ahead] : '\0';
  }
  void copy(std::size_t n) {
    out_ += pattern_.substr(at_, n);
    at_ += n;
  }
  void write(std::string_view instead, std::size_t n) {
    out_ += instead;
    at_ += n;
  }

  // Lines begin and end at "\n" without any flag.
  void line_end(char c) { write(c == '^' ? "(?m:^)" : "(?m:$)", 1); }

  void group() {
    ++depth_;
    expects(depth_ <= 100, place_, ": groups nested deeper than 100");
    bool ignore_case = ignore_case_[depth_ - 1];
    if (peek(1) == '*') refuse("(*");
    if (peek(1) != '?') {
      write("(?:", 1);
    } else {
      static constexpr std::array<std::string_view, 9> known = {
          "(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!", "(?i:", "(?-i:", "(?i)"};
      std::string_view found;
      for (const std::string_view k : known)
        if (pattern_.substr(at_).starts_with(k)) found = k;
      if (found.empty()) refuse("group \"", pattern_.substr(at_, 4), "\"");
      if (found == "(?i)") {
        if (at_ != 0) refuse("(?i) after the beginning");
        --depth_;
        ignore_case_[0] = true;
        return copy(found.size());
      }
      if (found == "(?i:") ignore_case = true;
      if (found == "(?-i:") ignore_case = false;
      copy(found.size());
    }
    ignore_case_[depth_] = ignore_case;
  }
  void close() {
    if (depth_ == 0) refuse("\")\" without \"(\"");
    --depth_;
    copy(1);
  }

  // {n}, {n,}, {n,m}, {,m}; anything else is text.
  void braces() {
    std::size_t i = 1;
    const auto digits = [&] {
      const std::size_t begin = i;
      while (peek(i) >= '0' && peek(i) <= '9') ++i;
      return i - begin;
    };
    const std::size_t low = digits();
    bool comma = false;
    std::size_t high = 0;
    if (peek(i) == ',') {
      comma = true;
      ++i;
      high = digits();
    }
    if (peek(i) != '}' || low + high == 0) return write("\\{", 1);
    ++i;
    if (peek(i) == '+') refuse("\"+\" after \"}\"");
    if (peek(i) == '?' && !comma) refuse("\"?\" after \"}\"");
    if (low == 0) return write(text("{0", pattern_.substr(at_ + 1, i - 1)), i);
    copy(i);
  }

  // A property, or its opposite. Case does not matter to the engines in the same way there.
  void property() {
    const std::size_t end = pattern_.find('}', at_);
    if (peek(2) != '{' || end == std::string_view::npos) refuse("\\p without {...}");
    std::string_view name = pattern_.substr(at_ + 3, end - at_ - 3);
    bool negative = peek(1) == 'P';
    if (name.starts_with('^')) {
      negative = !negative;
      name.remove_prefix(1);
    }
    if (ignore_case_[depth_] && (name == "Lu" || name == "Ll" || name == "Lt"))
      refuse("\\p{", name, "} where case is ignored");
    const bool category = name.size() <= 2 && !name.empty() &&
                          std::string_view("CLMNPSZ").find(name[0]) != std::string_view::npos;
    for (const char c : name)
      if (c != '_' && ((c | 0x20) < 'a' || (c | 0x20) > 'z')) refuse("\\p{", name, "}");
    write(text(negative ? "\\P{" : "\\p{", category ? "" : "sc:", name, "}"), end + 1 - at_);
  }

  // \xHH, \x{H...}, \uHHHH
  void code_point() {
    const auto is_hex = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    };
    std::size_t begin = 2, end = begin;
    if (peek(1) == 'x' && peek(2) == '{') {
      begin = end = 3;
      while (is_hex(peek(end))) ++end;
      if (end == begin || end - begin > 6 || peek(end) != '}') refuse("\\x{ without digits and }");
    } else {
      const std::size_t most = peek(1) == 'x' ? 2 : 4;
      while (end - begin < most && is_hex(peek(end))) ++end;
      if (end - begin < most) refuse("\\", peek(1), " without ", most, " digits");
      if (most == 2 && peek(2) >= '8') refuse("\\x of a byte that is not ASCII");
    }
    const bool braced = peek(end) == '}' && begin == 3;
    write(text("\\x{", pattern_.substr(at_ + begin, end - begin), "}"), end + (braced ? 1 : 0));
  }

  void escape(bool in_class) {
    const char c = peek(1);
    const auto class_or_not = [&](std::string_view ranges, bool negative) {
      if (in_class && negative) refuse("\\", c, " in [...]");
      write(in_class ? std::string(ranges) : text(negative ? "[^" : "[", ranges, "]"), 2);
    };
    switch (c) {
      case 'r':
      case 'n':
      case 't':
      case 'f':
      case 'a':
      case 'e':
        return copy(2);
      case 'v':
        return write("\\x{b}", 2);
      case 'A':
      case 'z':
      case 'Z':
        if (in_class) refuse("\\", c, " in [...]");
        return copy(2);
      case 's':
        return class_or_not(space_ranges, false);
      case 'S':
        if (in_class) return write("\\P{White_Space}", 2);
        return class_or_not(space_ranges, true);
      case 'd':
        return write("\\p{Nd}", 2);
      case 'D':
        return write("\\P{Nd}", 2);
      case 'w':
        return class_or_not(word_ranges, false);
      case 'W':
        return class_or_not(word_ranges, true);
      case 'b':
      case 'B': {
        if (in_class) refuse("\\", c, " in [...]");
        const std::string w = text("[", word_ranges, "]");
        const bool edge = c == 'b';
        return write(text("(?:(?<=", w, edge ? ")(?!" : ")(?=", w, ")|(?<!", w,
                          edge ? ")(?=" : ")(?!", w, "))"),
                     2);
      }
      case 'p':
      case 'P':
        return property();
      case 'x':
      case 'u':
        return code_point();
      default:
        // Signs stand for themselves; letters and digits that are not listed mean something.
        if (c <= ' ' || c > '~' || (c >= '0' && c <= '9') ||
            ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
          refuse("\\", c == '\0' ? std::string_view("") : pattern_.substr(at_ + 1, 1));
        return copy(2);
    }
  }

  void character_class() {
    copy(peek(1) == '^' ? 2 : 1);
    if (peek(0) == ']') write("\\]", 1);
    while (at_ < pattern_.size() && peek(0) != ']') {
      if (peek(0) == '[') refuse("\"[\" in [...]");
      if (peek(0) == '&' && peek(1) == '&') refuse("\"&&\" in [...]");
      if (peek(0) == '\\')
        escape(true);
      else
        copy(1);
    }
    if (at_ == pattern_.size()) refuse("\"[\" without \"]\"");
    copy(1);
  }

  std::string_view pattern_;
  std::string_view place_;
  std::string out_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  std::array<bool, 102> ignore_case_ = {};
};

}  // namespace text_detail

/// A pattern of the regex engine of published tokenizers (Oniguruma, Ruby syntax) as a pattern of
/// PCRE2 that matches the same, with PCRE2_UTF and PCRE2_UCP. Throws `error` naming `place` and the
/// construct for everything that is not known to mean the same in both.
inline std::string to_pcre2(std::string_view pattern, std::string_view place) {
  return text_detail::regex_translator(pattern, place).run();
}

}  // namespace dsr1
