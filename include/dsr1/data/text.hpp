// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Which documents are text worth learning from, and the one form in which their bytes are kept.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

/// What became of a document. The rules are tried in this order; the first that fails drops it.
enum class text_rule {
  kept,
  empty,           ///< nothing but white space
  binary,          ///< has a NUL byte
  encoding,        ///< more invalid UTF-8 than `cleaning_options::invalid_share`
  too_short,       ///< fewer bytes than `cleaning_options::shortest`
  long_lines,      ///< mostly lines that no person wrote: minified code, data
  few_letters,     ///< mostly numbers and signs: tables, dumps
  duplicate,       ///< the same text as an earlier document, up to white space
  near_duplicate,  ///< most of its long lines stood in earlier documents
};

inline constexpr std::array<std::string_view, 9> text_rule_names = {
    "kept",       "empty",       "binary",    "encoding",      "too_short",
    "long_lines", "few_letters", "duplicate", "near_duplicate"};

constexpr std::string_view name_of(text_rule rule) {
  return text_rule_names[static_cast<std::size_t>(rule)];
}

struct cleaning_options {
  double invalid_share = 0.005;  ///< of the bytes, in invalid UTF-8 sequences
  index_t shortest = 64;         ///< bytes of a document
  index_t long_line = 2000;      ///< bytes of a line that counts as long
  double long_line_share = 0.5;  ///< of the bytes, in long lines
  double letter_share = 0.4;     ///< letters among the bytes that are no white space
  index_t blank_lines = 2;       ///< longer runs of blank lines are cut to this many
};

/// Documents and bytes per rule. Bytes are those of the document as it was read; `kept_bytes` those
/// of the kept documents after cleaning.
struct cleaning_report {
  struct entry {
    index_t documents = 0;
    index_t bytes = 0;
  };
  std::array<entry, text_rule_names.size()> rules = {};
  index_t kept_bytes = 0;

  void add(text_rule rule, index_t bytes_read, index_t bytes_kept = 0) {
    entry& e = rules[static_cast<std::size_t>(rule)];
    ++e.documents;
    e.bytes += bytes_read;
    kept_bytes += bytes_kept;
  }
  const entry& of(text_rule rule) const { return rules[static_cast<std::size_t>(rule)]; }
  entry all() const {
    entry sum;
    for (const entry& e : rules) {
      sum.documents += e.documents;
      sum.bytes += e.bytes;
    }
    return sum;
  }
};

/// The length of the well-formed UTF-8 character at `text[at]`, or 0 when there is none
/// (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
constexpr std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u;
  };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  const unsigned lead = byte(0), second = byte(1);
  if (at >= text.size()) return 0;
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return follows(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool fits = !(lead == 0xE0 && second < 0xA0) && !(lead == 0xED && second > 0x9F);
    return fits && follows(1) && follows(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool fits = !(lead == 0xF0 && second < 0x90) && !(lead == 0xF4 && second > 0x8F);
    return fits && follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

constexpr bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text, i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

namespace data_detail {

/// Characters that carry no text: C0 and C1 controls, the byte order mark, U+FFFE and U+FFFF.
constexpr bool is_control(std::string_view c) {
  const auto b = [&](std::size_t i) { return static_cast<unsigned char>(c[i]); };
  if (c.size() == 1) return (b(0) < 0x20 && b(0) != '\n' && b(0) != '\t') || b(0) == 0x7F;
  if (c.size() == 2) return b(0) == 0xC2 && b(1) < 0xA0;
  return c == "\xEF\xBB\xBF" || c == "\xEF\xBF\xBE" || c == "\xEF\xBF\xBF";
}

constexpr bool is_letter(unsigned char c) {
  return c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

}  // namespace data_detail

/// Brings a document into the one form that is stored, and says whether to keep it. The form:
/// valid UTF-8 (invalid bytes are left out), lines end in "\n", no control characters but tabs, no
/// blanks at the end of lines, no blank line at the beginning, no more than `blank_lines` in a row,
/// exactly one "\n" at the end. Cleaning a clean document changes nothing.
inline text_rule clean_text(std::string& document, const cleaning_options& options = {}) {
  if (document.find('\0') != std::string::npos) return text_rule::binary;
  std::string out;
  out.reserve(document.size() + 1);
  std::size_t invalid = 0;
  index_t newlines = options.blank_lines + 1;  // as after blank lines, so that none come first
  const auto end_line = [&] {
    while (!out.empty() && (out.back() == ' ' || out.back() == '\t')) out.pop_back();
    if (out.empty() || out.back() == '\n') {
      if (++newlines > options.blank_lines + 1) return;
    } else {
      newlines = 1;
    }
    out += '\n';
  };
  for (std::size_t i = 0; i < document.size();) {
    const std::size_t length = utf8_length(document, i);
    if (length == 0) {
      ++invalid;
      ++i;
      continue;
    }
    const std::string_view c(document.data() + i, length);
    if (c == "\r" || c == "\n") {
      if (c == "\r" && i + 1 < document.size() && document[i + 1] == '\n') ++i;
      end_line();
    } else if (!data_detail::is_control(c)) {
      out += c;
    }
    i += length;
  }
  end_line();
  while (!out.empty() && out.back() == '\n') out.pop_back();
  const std::size_t read = document.size();
  document = std::move(out);
  if (static_cast<double>(invalid) > options.invalid_share * static_cast<double>(read))
    return text_rule::encoding;
  if (document.empty()) return text_rule::empty;
  document += '\n';
  if (static_cast<index_t>(document.size()) < options.shortest) return text_rule::too_short;

  std::size_t in_long_lines = 0, letters = 0, visible = 0;
  for (std::size_t begin = 0; begin < document.size();) {
    const std::size_t end = document.find('\n', begin) + 1;
    if (static_cast<index_t>(end - begin) > options.long_line) in_long_lines += end - begin;
    begin = end;
  }
  for (const char c : document) {
    letters += data_detail::is_letter(static_cast<unsigned char>(c));
    visible += c != ' ' && c != '\n' && c != '\t';
  }
  const auto share = [](std::size_t part, std::size_t whole) {
    return static_cast<double>(part) / static_cast<double>(whole);
  };
  if (share(in_long_lines, document.size()) > options.long_line_share) return text_rule::long_lines;
  if (share(letters, visible) < options.letter_share) return text_rule::few_letters;
  return text_rule::kept;
}

}  // namespace dsr1
