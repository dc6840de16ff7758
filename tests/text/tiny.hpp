// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Small tokenizer files for tests, changed member by member.
#pragma once

#include <string>

#include <dsr1/text/tokenizer.hpp>

namespace tiny {

/// Letters a to f and a space, "ab", "abc" and "cd", joined by three merges; no pipeline around it.
inline dsr1::json file() {
  return dsr1::json::parse(R"({
    "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
    "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": {"type": "Fuse"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "d": 3, "e": 4, "f": 5, " ": 6,
                                       "ab": 7, "abc": 8, "cd": 9},
              "merges": ["a b", "c d", ["ab", "c"]]}})");
}

/// The file with the value at a JSON pointer set.
inline dsr1::json file_with(const std::string& pointer, const std::string& value) {
  dsr1::json j = file();
  j[dsr1::json::json_pointer(pointer)] = dsr1::json::parse(value);
  return j;
}

inline dsr1::tokenizer tokenizer(const dsr1::json& j) {
  return dsr1::tokenizer::parse(j.dump(), "t.json");
}
inline dsr1::tokenizer tokenizer_with(const std::string& pointer, const std::string& value) {
  return tokenizer(file_with(pointer, value));
}

}  // namespace tiny
