// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The tokens that a template puts around a text: the beginning of the sequence, mostly.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <dsr1/io/json.hpp>
#include <dsr1/text/steps.hpp>
#include <dsr1/text/vocabulary.hpp>

namespace dsr1 {

/// The member "post_processor" of a tokenizer file: TemplateProcessing (its form for one text),
/// ByteLevel (which only moves offsets, and so does nothing here), or a Sequence of these.
class post_processor {
 public:
  post_processor() = default;
  post_processor(const json& value, const vocabulary& tokens, const std::string& place) {
    for_each_step(value, place, "processors", [&](const json_object& step) {
      const auto type = step.get<std::string>("type");
      if (type == "TemplateProcessing")
        add_template(step, tokens);
      else if (type != "ByteLevel")
        refuse_step(step, "TemplateProcessing, ByteLevel, Sequence");
    });
  }

  const std::vector<std::int32_t>& before() const { return before_; }
  const std::vector<std::int32_t>& after() const { return after_; }

 private:
  void add_template(const json_object& o, const vocabulary& tokens) {
    o.expect_only({"type", "single", "pair", "special_tokens"});
    const json_object specials = o.object("special_tokens");
    const auto single = o.get<std::vector<json>>("single");
    std::vector<std::int32_t> before, after;
    bool text_seen = false;
    for (std::size_t i = 0; i < single.size(); ++i) {
      const json_object piece(single[i], dsr1::text(o.source(), ".single[", i, "]"));
      piece.expect_only({"SpecialToken", "Sequence"});
      expects(piece.value().size() == 1, piece.source(),
              ": expected \"SpecialToken\" or \"Sequence\"");
      if (piece.has("Sequence")) {
        const auto id = piece.object("Sequence").get<std::string>("id");
        expects(id == "A" && !text_seen, piece.source(), ": sequence \"", id,
                "\", expected \"A\", once");
        text_seen = true;
        continue;
      }
      const auto name = piece.object("SpecialToken").get<std::string>("id");
      const json_object special = specials.object(name);
      for (const auto id : special.get<std::vector<std::int32_t>>("ids")) {
        expects(id >= 0 && id < tokens.rows() && tokens.token_of(id), special.source(), ": id ", id,
                " is not in the vocabulary");
        (text_seen ? after : before).push_back(id);
      }
    }
    expects(text_seen, o.source(), ": \"single\" has no place for the text");
    // A later template goes around an earlier one.
    before_.insert(before_.begin(), before.begin(), before.end());
    after_.insert(after_.end(), after.begin(), after.end());
  }

  std::vector<std::int32_t> before_, after_;
};

}  // namespace dsr1
