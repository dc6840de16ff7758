// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// How the parts of a tokenizer file are written: one element, or a sequence of them.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include <dsr1/core/error.hpp>
#include <dsr1/io/json.hpp>

namespace dsr1 {

/// Calls f(step) for every element of `value`, which is null (no step), an element, or a Sequence
/// of elements in its member `list`. Errors name `place`; sequences may be nested 8 deep, and hold
/// 64 elements in all.
template <class F>
void for_each_step(const json& value, const std::string& place, const std::string& list, F&& f) {
  int count = 0;
  const auto walk = [&](const auto& self, const json& v, const std::string& at, int depth) -> void {
    if (v.is_null()) return;
    expects(depth <= 8, at, ": sequences nested deeper than 8");
    expects(v.is_object(), at, " is ", shown(v), ", expected an object or null");
    const auto type = v.find("type");
    if (type != v.end() && *type == "Sequence") {
      for (const auto& [key, member] : v.items())
        expects(key == "type" || key == list, at, ": unknown key \"", key, "\" in a Sequence");
      const auto elements = v.find(list);
      expects(elements != v.end() && elements->is_array(), at, ": \"", list,
              "\" is missing or no list");
      for (std::size_t i = 0; i < elements->size(); ++i)
        self(self, (*elements)[i], dsr1::text(at, ".", list, "[", i, "]"), depth + 1);
      return;
    }
    expects(++count <= 64, at, ": more than 64 elements");
    f(json_object(v, at));
  };
  walk(walk, value, place, 0);
}

/// What a Replace or Split looks for: {"String": "x"} or {"Regex": "x"}.
struct step_pattern {
  std::string content;
  bool is_regex = false;

  static step_pattern of(const json_object& step) {
    const json_object pattern = step.object("pattern");
    pattern.expect_only({"String", "Regex"});
    expects(pattern.value().size() == 1, pattern.source(), ": expected \"String\" or \"Regex\"");
    step_pattern out{.content = {}, .is_regex = pattern.has("Regex")};
    out.content = pattern.get<std::string>(out.is_regex ? "Regex" : "String");
    expects(!out.content.empty(), pattern.source(), ": the pattern is empty");
    return out;
  }
};

/// Says that an element is none of ours.
[[noreturn]] inline void refuse_step(const json_object& step, const char* supported) {
  throw error(dsr1::text(step.source(), ": unsupported type \"", step.get<std::string>("type"),
                         "\"; supported: ", supported));
}

}  // namespace dsr1
