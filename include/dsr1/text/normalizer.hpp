// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What is done to a text before anything looks for tokens in it.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <dsr1/text/nfc.hpp>
#include <dsr1/text/regex.hpp>
#include <dsr1/text/replace.hpp>
#include <dsr1/text/steps.hpp>

namespace dsr1 {

/// The member "normalizer" of a tokenizer file: NFC, Prepend, Replace, or a Sequence of these. Any
/// other type is an error that names it.
class normalizer {
 public:
  normalizer() = default;
  normalizer(const json& value, const std::string& place) {
    for_each_step(value, place, "normalizers", [&](const json_object& o) {
      const auto type = o.get<std::string>("type");
      if (type == "NFC") {
        o.expect_only({"type"});
        steps_.emplace_back(compose{});
      } else if (type == "Prepend") {
        o.expect_only({"type", "prepend"});
        steps_.emplace_back(prefix{o.get<std::string>("prepend")});
      } else if (type == "Replace") {
        steps_.emplace_back(replacement(o));
      } else {
        refuse_step(o, "NFC, Prepend, Replace, Sequence");
      }
    });
  }

  bool empty() const { return steps_.empty(); }

  /// Changes a well-formed text. An empty text stays empty.
  void operator()(std::string& text, regex_scratch& scratch) const {
    for (const step& s : steps_) {
      if (text.empty()) return;
      scratch.allow(text.size());
      if (const auto* p = std::get_if<prefix>(&s))
        text.insert(0, p->content);
      else if (const auto* r = std::get_if<replacement>(&s))
        text = (*r)(text, scratch);
      else
        text = nfc(text);
    }
  }

 private:
  struct compose {};
  struct prefix {
    std::string content;
  };
  using step = std::variant<compose, prefix, replacement>;
  std::vector<step> steps_;
};

}  // namespace dsr1
