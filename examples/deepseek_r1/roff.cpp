// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Manual pages to text.

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "markup.hpp"

namespace seed {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 22> glyphs = {
    {{"aq", "'"},      {"dq", "\""},     {"lq", "\u201c"}, {"rq", "\u201d"}, {"oq", "\u2018"},
     {"cq", "\u2019"}, {"bu", "*"},      {"em", "\u2014"}, {"en", "\u2013"}, {"co", "\u00a9"},
     {"mu", "\u00d7"}, {">=", "\u2265"}, {"<=", "\u2264"}, {"->", "\u2192"}, {"rs", "\\"},
     {"ti", "~"},      {"ha", "^"},      {"hy", "-"},      {"mi", "-"},      {"pl", "+"},
     {"Fo", "\u00ab"}, {"Fc", "\u00bb"}}};

std::string glyph(std::string_view name) {
  for (const auto& [key, value] : glyphs)
    if (key == name) return std::string(value);
  if (name.size() >= 5 && name[0] == 'u') {
    unsigned long code = 0;
    const auto r = std::from_chars(name.data() + 1, name.data() + name.size(), code, 16);
    if (r.ptr == name.data() + name.size()) return utf8_of(code);
  }
  return "";
}

/// The name after an escape letter: x, (xx or [name]; moves `at` past it.
std::string_view name_at(std::string_view s, std::size_t& at) {
  std::size_t begin = at, count = 1;
  if (at < s.size() && s[at] == '(') {
    begin = at + 1;
    count = 2;
    at = begin + count;
  } else if (at < s.size() && s[at] == '[') {
    begin = at + 1;
    const std::size_t end = std::min(s.find(']', begin), s.size());
    count = end - begin;
    at = end + 1;
  } else {
    ++at;
  }
  at = std::min(at, s.size());
  return begin < s.size() ? s.substr(begin, count) : std::string_view();
}

std::string unescaped(std::string_view s) {
  std::string out;
  for (std::size_t i = 0; i < s.size();) {
    if (s[i] != '\\' || i + 1 >= s.size()) {
      out += s[i++];
      continue;
    }
    const char c = s[i + 1];
    i += 2;
    switch (c) {
      case '"':
      case '#':
        return out;  // a comment
      case 'e':
      case '\\':
        out += '\\';
        break;
      case '-':
        out += '-';
        break;
      case '\'':
      case '`':
      case '.':
        out += c;
        break;
      case ' ':
      case '~':
      case '0':
        out += ' ';
        break;
      case 't':
        out += '\t';
        break;
      case '(':
      case '[':
        --i;
        out += glyph(name_at(s, i));
        break;
      case '*':
        out += glyph(name_at(s, i));
        break;
      case 'f':
      case 'F':
      case 'm':
      case 'M':
      case 'g':
      case 'k':
        name_at(s, i);
        break;
      case 'n':
        if (i < s.size() && (s[i] == '+' || s[i] == '-')) ++i;
        name_at(s, i);
        break;
      case 's':
        if (i < s.size() && (s[i] == '+' || s[i] == '-')) ++i;
        name_at(s, i);
        break;
      case 'h':
      case 'v':
      case 'w':
      case 'l':
      case 'L':
      case 'o':
      case 'b':
      case 'D':
      case 'X':
      case 'Z':
      case 'N':
        if (i < s.size()) i = std::min(s.find(s[i], i + 1), s.size() - 1) + 1;
        break;
      default:
        break;  // \& \| \^ \% \: \/ \, \c \) and the rest print nothing
    }
  }
  return out;
}

/// The words of a macro line; quotes group, "" inside them is a quote.
std::vector<std::string> words_of(std::string_view s) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < s.size();) {
    if (s[i] == ' ' || s[i] == '\t') {
      ++i;
      continue;
    }
    std::string word;
    if (s[i] == '"') {
      for (++i; i < s.size(); ++i) {
        if (s[i] != '"')
          word += s[i];
        else if (i + 1 < s.size() && s[i + 1] == '"')
          word += s[i++];
        else
          break;
      }
      ++i;
    } else {
      for (; i < s.size() && s[i] != ' ' && s[i] != '\t'; ++i) {
        word += s[i];
        if (s[i] == '\\' && i + 1 < s.size()) word += s[++i];
      }
    }
    if (word.starts_with("\\\"")) break;
    out.push_back(unescaped(word));
  }
  return out;
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  std::string out;
  for (const std::string& w : words) {
    if (!out.empty()) out += between;
    out += w;
  }
  return out;
}

/// Writes paragraphs as lines.
class writer {
 public:
  void fill(bool on) {
    end_line();
    fill_ = on;
  }
  void text(std::string_view words) {
    if (!fill_) {
      out_ += words;
      out_ += '\n';
      return;
    }
    if (words.empty()) return paragraph();
    if (!out_.empty() && out_.back() != '\n' && out_.back() != ' ') out_ += ' ';
    out_ += words;
    if (tag_) end_line();
    tag_ = false;
  }
  void end_line() {
    if (!out_.empty() && out_.back() != '\n') out_ += '\n';
  }
  void paragraph() {
    end_line();
    if (out_.size() > 1 && out_[out_.size() - 2] != '\n') out_ += '\n';
  }
  /// The next words are a term, which has a line of its own.
  void term() {
    end_line();
    tag_ = true;
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
  bool fill_ = true, tag_ = false;
};

template <std::size_t N>
bool among(std::string_view name, const std::array<std::string_view, N>& list) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

constexpr std::array<std::string_view, 6> alternating = {"BR", "RB", "IR", "RI", "BI", "IB"};
constexpr std::array<std::string_view, 9> breaks = {"PP", "LP", "P",  "Pp", "sp",
                                                    "HP", "RS", "RE", "br"};
constexpr std::array<std::string_view, 6> verbatim = {"nf", "EX", "Bd", "Vb", "CS", "DS"};
constexpr std::array<std::string_view, 6> filled = {"fi", "EE", "Ed", "Ve", "CE", "DE"};
// Macros of mdoc whose names may stand among the words of another.
constexpr std::array<std::string_view, 16> inline_macros = {
    "Ar", "Cm", "Em", "Fa", "Ic", "Li", "Nm", "Ns", "Pa", "Sy", "Xr", "Ev", "Dv", "Dq", "Sq", "Oc"};

}  // namespace

std::string roff_to_text(std::string_view s) {
  writer out;
  bool skipping = false;  // a macro's definition
  int table = 0;          // 1: its format lines, 2: its rows
  for (std::size_t begin = 0; begin < s.size();) {
    const std::size_t end = std::min(s.find('\n', begin), s.size());
    std::string_view line = s.substr(begin, end - begin);
    begin = end + 1;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (skipping) {
      skipping = line != "..";
      continue;
    }
    if (line.empty() || (line[0] != '.' && line[0] != '\'')) {
      if (table == 1) {
        if (!line.empty() && line.back() == '.') table = 2;
        continue;
      }
      std::string words = unescaped(line);
      if (table == 2) {
        if (words == "T{" || words == "_" || words == "=") continue;
        std::replace(words.begin(), words.end(), '\t', ' ');
        for (const std::string_view mark : {"T}", "T{"})
          for (std::size_t at = words.find(mark); at != std::string::npos; at = words.find(mark))
            words.erase(at, 2);
      }
      out.text(words);
      continue;
    }
    line.remove_prefix(1);
    while (!line.empty() && (line[0] == ' ' || line[0] == '\t')) line.remove_prefix(1);
    const std::size_t split = std::min(line.find_first_of(" \t\""), line.size());
    const std::string_view name = line.substr(0, split);
    if (name.empty() || name[0] == '\\') continue;
    std::vector<std::string> words = words_of(line.substr(split));
    if (name == "de" || name == "ig" || name == "am") {
      skipping = true;
    } else if (name == "TS") {
      out.paragraph();
      out.fill(false);
      table = 1;
    } else if (name == "TE") {
      table = 0;
      out.fill(true);
    } else if (name == "TH" || name == "Dt") {
      if (words.size() > 1) out.text(words[0] + "(" + words[1] + ")");
      out.paragraph();
    } else if (name == "SH" || name == "SS" || name == "Sh" || name == "Ss") {
      out.fill(true);
      out.paragraph();
      if (words.empty())
        out.term();
      else
        out.text(joined(words, " "));
      out.end_line();
    } else if (among(name, verbatim)) {
      out.fill(false);
    } else if (among(name, filled)) {
      out.fill(true);
    } else if (name == "br") {
      out.end_line();
    } else if (among(name, breaks)) {
      out.paragraph();
    } else if (name == "TP" || name == "TQ") {
      out.paragraph();
      out.term();
    } else if (name == "IP" || name == "It") {
      out.paragraph();
      if (!words.empty()) out.text(words[0]);
      if (!words.empty() && words[0] != "*" && words[0] != "-") out.end_line();
    } else if (among(name, alternating)) {
      out.text(joined(words, ""));
    } else if (name == "Xr" && words.size() > 1) {
      out.text(words[0] + "(" + words[1] + ")");
    } else if (name == "Fl" && !words.empty()) {
      out.text("-" + joined(words, " "));
    } else if (name[0] >= 'A' && name[0] <= 'Z' && name != "Os" && name != "Dd" && name != "UE" &&
               name != "PD") {
      std::erase_if(words, [](const std::string& w) { return among(w, inline_macros); });
      if (!words.empty()) out.text(joined(words, " "));
    }
  }
  out.end_line();
  return out.take();
}

}  // namespace seed
