// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// tokenizer.json: its vocabulary and merges go past the JSON tree, which they would fill.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dsr1/io/json.hpp>
#include <dsr1/text/vocabulary.hpp>

namespace dsr1 {

/// The content of a tokenizer file. Throws `error` naming the file and the place for what is no
/// JSON, for members that are there twice, and for tokens or merges that are no tokens or merges.
struct tokenizer_file {
  std::string name;   ///< of the file, for messages
  json rest;          ///< all but the vocabulary and the merges
  vocabulary tokens;  ///< "model"."vocab"; not finished yet
  bool has_vocabulary = false, has_merges = false;

  static tokenizer_file parse(std::string_view content, std::string name);

  /// Calls f(left, right) for the merges in their order.
  template <class F>
  void for_each_merge(F&& f) const {
    std::size_t at = 0;
    for (const auto& [left, right] : merge_lengths_) {
      const std::string_view all = merge_text_;
      f(all.substr(at, left), all.substr(at + left, right));
      at += left + right;
    }
  }

 private:
  class reader;
  std::string merge_text_;
  std::vector<std::pair<std::size_t, std::size_t>> merge_lengths_;
};

/// Sees the events of the JSON parser; false keeps a value out of the tree.
class tokenizer_file::reader {
 public:
  explicit reader(tokenizer_file& file) : file_(file) {}

  bool operator()(int depth, json::parse_event_t event, json& value) {
    switch (event) {
      case json::parse_event_t::object_start:
        refuse_inside(depth);
        keys_.resize(static_cast<std::size_t>(depth) + 1);
        keys_.back().clear();
        if (in(part::vocabulary, depth, 2)) file_.has_vocabulary = true;
        return true;
      case json::parse_event_t::array_start:
        if (in(part::merges, depth, 2)) file_.has_merges = true;
        if (in(part::merges, depth, 3))
          pair_.clear();
        else
          refuse_inside(depth);
        return true;
      case json::parse_event_t::key:
        return key(depth, value.get_ref<const std::string&>());
      case json::parse_event_t::value:
        return scalar(depth, value);
      case json::parse_event_t::array_end:
        if (!in(part::merges, depth, 3)) return true;
        expects(pair_.size() == 2, file_.name, ": \"model\".\"merges\"[", merges(), "] has ",
                pair_.size(), " tokens, expected 2");
        add_merge(pair_[0], pair_[1]);
        return false;
      case json::parse_event_t::object_end:
        return true;
    }
    return true;
  }

 private:
  enum class part { other, vocabulary, merges };

  bool in(part p, int depth, int at) const { return part_ == p && depth == at; }
  std::size_t merges() const { return file_.merge_lengths_.size(); }

  // Lists and objects inside of the vocabulary or a merge.
  void refuse_inside(int depth) const {
    expects(part_ != part::vocabulary || depth < 3, file_.name,
            ": \"model\".\"vocab\": a list or an object, expected an id");
    expects(part_ != part::merges || depth < 3, file_.name, ": \"model\".\"merges\"[", merges(),
            "]: a list or an object, expected two tokens");
  }

  bool key(int depth, const std::string& member) {
    if (depth == 1) in_model_ = member == "model";
    if (depth <= 2) part_ = part::other;
    if (depth == 2 && in_model_ && member == "vocab") part_ = part::vocabulary;
    if (depth == 2 && in_model_ && member == "merges") part_ = part::merges;
    if (in(part::vocabulary, depth, 3)) {
      token_ = member;
      return false;
    }
    const bool fresh = keys_[static_cast<std::size_t>(depth) - 1].insert(member).second;
    if (!fresh) throw error(text(file_.name, ": \"", shortened(member, 60), "\" is there twice"));
    return true;
  }

  bool scalar(int depth, json& value) {
    if (in(part::vocabulary, depth, 3)) {
      if (!value.is_number_integer())
        throw error(text(file_.name, ": \"model\".\"vocab\": token \"", shortened(token_, 60),
                         "\" has id ", shown(value), ", expected a whole number"));
      const bool large = value.is_number_unsigned() && value.get<std::uint64_t>() > INT32_MAX;
      file_.tokens.add(std::move(token_), large ? INT32_MAX : value.get<std::int64_t>(),
                       file_.name + ": \"model\".\"vocab\"");
      return true;  // its key was kept out, and so will it be
    }
    if (part_ != part::merges || depth < 3) return true;
    if (!value.is_string())
      throw error(text(file_.name, ": \"model\".\"merges\"[", merges(), "] is ", shown(value),
                       ", expected two tokens"));
    std::string& s = value.get_ref<std::string&>();
    if (depth == 4) {
      pair_.push_back(std::move(s));
      expects(pair_.size() <= 2, file_.name, ": \"model\".\"merges\"[", merges(),
              "] has more than 2 tokens");
      return false;
    }
    if (s.starts_with("#version")) return false;
    const std::size_t space = s.find(' ');
    if (space == std::string::npos || s.find(' ', space + 1) != std::string::npos)
      throw error(text(file_.name, ": \"model\".\"merges\"[", merges(), "] is ", shown(value),
                       ", expected two tokens with one space between them"));
    add_merge(std::string_view(s).substr(0, space), std::string_view(s).substr(space + 1));
    return false;
  }

  void add_merge(std::string_view left, std::string_view right) {
    file_.merge_text_.append(left).append(right);
    file_.merge_lengths_.emplace_back(left.size(), right.size());
  }

  tokenizer_file& file_;
  std::vector<std::set<std::string>> keys_;  // of the object at each depth
  std::vector<std::string> pair_;
  std::string token_;
  part part_ = part::other;
  bool in_model_ = false;
};

inline tokenizer_file tokenizer_file::parse(std::string_view content, std::string name) {
  tokenizer_file out;
  out.name = std::move(name);
  out.rest = parse_json(content, out.name, reader(out));
  return out;
}

}  // namespace dsr1
