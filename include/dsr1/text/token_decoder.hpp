// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// From the strings of tokens back to text, as they come.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dsr1/text/byte_level.hpp>
#include <dsr1/text/regex.hpp>
#include <dsr1/text/replace.hpp>
#include <dsr1/text/steps.hpp>
#include <dsr1/text/utf8.hpp>

namespace dsr1 {

/// The member "decoder" of a tokenizer file: ByteLevel, ByteFallback, Replace, Strip, Fuse, or a
/// Sequence of these; null joins the tokens with spaces. Any other type is an error that names it.
///
/// A decoder does not change; what is under way is a `token_decoder::state`. Text leaves as soon as
/// no later token can change it:
/// - ByteLevel keeps the bytes of an unfinished character;
/// - ByteFallback keeps a run of byte tokens until it ends, for one wrong byte makes U+FFFD of all;
/// - Strip after Fuse keeps what it may have to strip from the end;
/// - Fuse before anything else keeps all until the end.
class token_decoder {
 public:
  class state {
    friend class token_decoder;
    struct progress {
      std::string kept;
      std::size_t stripped = 0;  // characters at the beginning
      bool begun = false;
    };
    std::vector<progress> stages_;
    regex_scratch scratch_;
  };

  /// As if nothing were given: tokens stand next to each other.
  token_decoder() = default;
  token_decoder(const json& value, const std::string& place) {
    if (value.is_null()) stages_.push_back({.what = kind::spaces});
    for_each_step(value, place, "decoders", [&](const json_object& step) { add(step); });
    if (stages_.empty()) return;
    // Fuse has nothing to do at the end; a Strip after it can work on what comes, if it is last.
    if (stages_.back().what == kind::fuse) stages_.pop_back();
    if (stages_.size() < 2) return;
    if (stages_.back().what == kind::strip && stages_[stages_.size() - 2].what == kind::fuse) {
      stages_.back().what = kind::strip_all;
      stages_.erase(stages_.end() - 2);
    }
  }

  /// Appends to `out` what this token makes certain. The token is well-formed.
  void push(state& s, std::string_view token, std::string& out) const {
    s.stages_.resize(stages_.size());
    pass(s, 0, token, out);
  }
  /// Appends what is left when no token follows.
  void finish(state& s, std::string& out) const {
    s.stages_.resize(stages_.size());
    for (std::size_t i = 0; i < stages_.size(); ++i) end(s, i, out);
    s.stages_.clear();
  }

 private:
  enum class kind { spaces, byte_level, byte_fallback, replace, strip, strip_all, fuse };
  struct stage {
    kind what;
    std::optional<replacement> replace = {};
    std::string content = {};  // of strip: one character
    std::size_t start = 0, stop = 0;
  };

  void add(const json_object& o) {
    const auto type = o.get<std::string>("type");
    // What ByteLevel makes is one token to those after it.
    if (!stages_.empty() && stages_.back().what == kind::byte_level)
      stages_.push_back({.what = kind::fuse});
    if (type == "ByteLevel") {
      o.expect_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
      stages_.push_back({.what = kind::byte_level});
    } else if (type == "ByteFallback") {
      o.expect_only({"type"});
      stages_.push_back({.what = kind::byte_fallback});
    } else if (type == "Fuse") {
      o.expect_only({"type"});
      stages_.push_back({.what = kind::fuse});
    } else if (type == "Replace") {
      stages_.push_back({.what = kind::replace, .replace = replacement(o)});
    } else if (type == "Strip") {
      o.expect_only({"type", "content", "start", "stop"});
      stage s{.what = kind::strip, .content = o.get<std::string>("content")};
      expects(!s.content.empty() && utf8_at(s.content, 0).bytes == s.content.size(), o.source(),
              ": \"content\" is \"", shortened(s.content, 60), "\", expected one character");
      s.start = o.get<std::size_t>("start");
      s.stop = o.get<std::size_t>("stop");
      stages_.push_back(std::move(s));
    } else {
      refuse_step(o, "ByteLevel, ByteFallback, Replace, Strip, Fuse, Sequence");
    }
  }

  /// Gives a token to stage i.
  void pass(state& s, std::size_t i, std::string_view token, std::string& out) const {
    if (i == stages_.size()) {
      out += token;
      return;
    }
    const stage& here = stages_[i];
    auto& mine = s.stages_[i];
    switch (here.what) {
      case kind::spaces:
        if (std::exchange(mine.begun, true)) out += ' ';
        return pass(s, i + 1, token, out);
      case kind::replace:
        s.scratch_.allow(token.size());
        return pass(s, i + 1, (*here.replace)(token, s.scratch_), out);
      case kind::strip:
        return pass(s, i + 1, stripped(here, token), out);
      case kind::fuse:
        mine.kept += token;
        return;
      case kind::byte_fallback: {
        const int byte = byte_of(token);
        if (byte >= 0) {
          mine.kept += static_cast<char>(byte);
          return;
        }
        end_run(s, i, out);
        return pass(s, i + 1, token, out);
      }
      case kind::byte_level: {
        const auto bytes = bytes_of_characters(token);
        mine.kept += bytes ? std::string_view(*bytes) : token;
        std::size_t ready = first_ill_formed(mine.kept);
        while (ready < mine.kept.size() && !utf8_at(mine.kept, ready).cut)
          ready = first_ill_formed(mine.kept, ready + utf8_at(mine.kept, ready).bytes);
        std::string whole;
        append_well_formed(whole, std::string_view(mine.kept).substr(0, ready));
        mine.kept.erase(0, ready);
        return pass(s, i + 1, whole, out);
      }
      case kind::strip_all:
        return pass(s, i + 1, strip_some(here, mine, token), out);
    }
  }

  /// No token follows for stage i.
  void end(state& s, std::size_t i, std::string& out) const {
    auto& mine = s.stages_[i];
    if (stages_[i].what == kind::byte_fallback) return end_run(s, i, out);
    if (stages_[i].what == kind::byte_level) {
      std::string whole;
      append_well_formed(whole, mine.kept);
      return pass(s, i + 1, whole, out);
    }
    if (stages_[i].what == kind::fuse) return pass(s, i + 1, mine.kept, out);
  }

  /// A run of byte tokens is a text, or (with one wrong byte) as many U+FFFD.
  void end_run(state& s, std::size_t i, std::string& out) const {
    const std::string run = std::exchange(s.stages_[i].kept, {});
    if (run.empty()) return;
    if (first_ill_formed(run) == run.size()) return pass(s, i + 1, run, out);
    for (std::size_t n = 0; n < run.size(); ++n) pass(s, i + 1, replacement_character, out);
  }

  /// The byte that "<0x41>" means; -1 for other tokens.
  static int byte_of(std::string_view token) {
    if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
    int value = 0;
    const auto [end, code] = std::from_chars(token.data() + 3, token.data() + 5, value, 16);
    return code == std::errc() && end == token.data() + 5 && value >= 0 ? value : -1;
  }

  static std::string_view stripped(const stage& strip, std::string_view token) {
    for (std::size_t n = 0; n < strip.start && token.starts_with(strip.content); ++n)
      token.remove_prefix(strip.content.size());
    for (std::size_t n = 0; n < strip.stop && token.ends_with(strip.content); ++n)
      token.remove_suffix(strip.content.size());
    return token;
  }

  /// The same for a text that comes in pieces.
  static std::string strip_some(const stage& strip, state::progress& mine, std::string_view piece) {
    while (!mine.begun && !piece.empty()) {
      mine.begun = mine.stripped == strip.start || !piece.starts_with(strip.content);
      if (mine.begun) break;
      ++mine.stripped;
      piece.remove_prefix(strip.content.size());
    }
    std::string all = mine.kept.append(piece);
    std::size_t ready = all.size();
    const auto before = [&] { return std::string_view(all).substr(0, ready); };
    for (std::size_t n = 0; n < strip.stop && before().ends_with(strip.content); ++n)
      ready -= strip.content.size();
    mine.kept = all.substr(ready);
    all.resize(ready);
    return all;
  }

  std::vector<stage> stages_;
};

}  // namespace dsr1
