// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// HTML to text.

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <utility>

#include "markup.hpp"

namespace seed {
namespace {

template <std::size_t N>
bool among(std::string_view name, const std::array<std::string_view, N>& list) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }

constexpr std::array<std::string_view, 9> never_text = {
    "head", "nav", "svg", "template", "noscript", "iframe", "info", "footer", "button"};
// What generators of documentation call their navigation.
constexpr std::array<std::string_view, 16> navigation = {
    "navheader",     "navfooter", "navigation",  "related",    "sphinxsidebar", "sidebar",
    "footer",        "docnav",    "breadcrumbs", "headerlink", "toc",           "prevnext",
    "DonationFrame", "aside",     "menu",        "indextable"};
constexpr std::array<std::string_view, 12> paragraphs = {
    "p", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "title", "blockquote", "screen", "section"};
constexpr std::array<std::string_view, 18> lines = {
    "div", "br", "li",   "tr",    "dt",   "dd",    "table",   "ul",   "ol",
    "dl",  "hr", "item", "steps", "list", "terms", "article", "main", "body"};
constexpr std::array<std::string_view, 5> empty_elements = {"br", "hr", "img", "meta", "link"};

constexpr std::array<std::pair<std::string_view, std::string_view>, 26> entities = {
    {{"amp", "&"},         {"lt", "<"},          {"gt", ">"},         {"quot", "\""},
     {"apos", "'"},        {"nbsp", " "},        {"mdash", "\u2014"}, {"ndash", "\u2013"},
     {"hellip", "\u2026"}, {"lsquo", "\u2018"},  {"rsquo", "\u2019"}, {"ldquo", "\u201c"},
     {"rdquo", "\u201d"},  {"laquo", "\u00ab"},  {"raquo", "\u00bb"}, {"copy", "\u00a9"},
     {"auml", "\u00e4"},   {"ouml", "\u00f6"},   {"uuml", "\u00fc"},  {"szlig", "\u00df"},
     {"eacute", "\u00e9"}, {"egrave", "\u00e8"}, {"times", "\u00d7"}, {"middot", "\u00b7"},
     {"rarr", "\u2192"},   {"le", "\u2264"}}};

/// The entity at `s[at]`, which is '&', decoded; moves `at` past it.
std::string entity(std::string_view s, std::size_t& at) {
  const std::size_t end = s.find(';', at);
  if (end == std::string_view::npos || end - at > 12) return std::string(1, s[at++]);
  const std::string_view name = s.substr(at + 1, end - at - 1);
  std::string out;
  if (name.size() > 1 && name[0] == '#') {
    const bool hexadecimal = name[1] == 'x' || name[1] == 'X';
    const std::string_view digits = name.substr(hexadecimal ? 2 : 1);
    unsigned long code = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), code, hexadecimal ? 16 : 10);
    out = code == 0xA0 ? " " : utf8_of(code);
  } else {
    for (const auto& [key, value] : entities)
      if (key == name) out = value;
    if (out.empty()) return std::string(1, s[at++]);
  }
  at = end + 1;
  return out;
}

struct tag {
  std::string name;  // in lower case
  bool closes = false;
  bool closed = false;  // <name/>
  std::string_view attributes;
  std::size_t end = 0;
};

tag tag_at(std::string_view s, std::size_t at) {
  tag t;
  std::size_t i = at + 1;
  if (i < s.size() && s[i] == '/') t.closes = true, ++i;
  for (; i < s.size() && !is_blank(s[i]) && s[i] != '>' && s[i] != '/'; ++i)
    t.name += static_cast<char>(s[i] >= 'A' && s[i] <= 'Z' ? s[i] + 32 : s[i]);
  const std::size_t begin = i;
  for (char quote = 0; i < s.size() && (quote != 0 || s[i] != '>'); ++i) {
    if (quote != 0)
      quote = s[i] == quote ? '\0' : quote;
    else if (s[i] == '"' || s[i] == '\'')
      quote = s[i];
  }
  t.attributes = s.substr(begin, i - begin);
  t.closed = !t.attributes.empty() && t.attributes.back() == '/';
  t.end = std::min(i + 1, s.size());
  return t;
}

/// True when one of the words in class, id or role names navigation.
bool is_navigation(std::string_view attributes) {
  for (const std::string_view key : {"class=", "id=", "role="}) {
    const std::size_t at = attributes.find(key);
    if (at == std::string_view::npos || at + key.size() + 1 >= attributes.size()) continue;
    const std::string_view rest = attributes.substr(at + key.size());
    const std::string_view value = rest.substr(1, rest.find(rest[0], 1) - 1);
    for (std::size_t i = 0; i <= value.size();) {
      const std::size_t end = std::min(value.find(' ', i), value.size());
      if (among(value.substr(i, end - i), navigation)) return true;
      i = end + 1;
    }
  }
  return false;
}

}  // namespace

std::string utf8_of(unsigned long c) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
  if (c == 0 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return "\uFFFD";
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xC0 | c >> 6), tail(0)};
  if (c < 0x10000) return {static_cast<char>(0xE0 | c >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xF0 | c >> 18), tail(12), tail(6), tail(0)};
}

std::string html_to_text(std::string_view s) {
  std::string out;
  int preformatted = 0;
  const auto newline = [&](int blank_lines) {
    while (!out.empty() && out.back() == ' ') out.pop_back();
    std::size_t have = 0;
    while (have < out.size() && out[out.size() - 1 - have] == '\n') ++have;
    for (std::size_t want = static_cast<std::size_t>(blank_lines) + 1; !out.empty() && have < want;
         ++have)
      out += '\n';
  };
  for (std::size_t i = 0; i < s.size();) {
    if (s[i] == '&') {
      out += entity(s, i);
    } else if (s[i] == '<' && s.substr(i, 4) == "<!--") {
      const std::size_t end = s.find("-->", i + 4);
      i = end == std::string_view::npos ? s.size() : end + 3;
    } else if (s[i] == '<' && i + 1 < s.size() && (s[i + 1] == '!' || s[i + 1] == '?')) {
      i = std::min(s.find('>', i), s.size() - 1) + 1;
    } else if (s[i] == '<' && i + 1 < s.size() && !is_blank(s[i + 1])) {
      const tag t = tag_at(s, i);
      i = t.end;
      const bool opens = !t.closes && !t.closed && !among(t.name, empty_elements);
      if (opens && (t.name == "script" || t.name == "style")) {  // their "<" begins no tag
        i = std::min(s.find("</" + t.name, i), s.size());
        continue;
      }
      if (opens && (among(t.name, never_text) || is_navigation(t.attributes))) {
        for (int depth = 1; depth > 0 && i < s.size();) {
          const std::size_t next = s.find('<', i);
          if (next == std::string_view::npos) {
            i = s.size();
            break;
          }
          const tag inner = tag_at(s, next);
          i = inner.end;
          if (inner.name == t.name && !inner.closed) depth += inner.closes ? -1 : 1;
        }
        continue;
      }
      if (t.name == "pre" || t.name == "screen")
        preformatted = std::max(0, preformatted + (t.closes ? -1 : 1));
      if (among(t.name, paragraphs))
        newline(1);
      else if (among(t.name, lines))
        newline(0);
      else if (t.name == "td" || t.name == "th")
        out += ' ';
      if (t.name == "li" && !t.closes) out += "- ";
    } else if (preformatted == 0 && is_blank(s[i])) {
      if (!out.empty() && out.back() != ' ' && out.back() != '\n') out += ' ';
      ++i;
    } else {
      out += s[i++];
    }
  }
  return out;
}

}  // namespace seed
