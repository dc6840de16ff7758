// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A program that uses the component text.

#include <cstdio>

#include <dsr1/text.hpp>

int main() {
  const auto tok = dsr1::tokenizer::parse(
      R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]},
          "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\p{L}+"}, "behavior": "Isolated"},
          "normalizer": {"type": "NFC"}, "decoder": {"type": "Fuse"}})",
      "consumer");
  const auto ids = tok.encode("abb");
  std::printf("%zu tokens: %s\n", ids.size(), tok.decode(ids).c_str());
  return ids.size() == 2 && tok.decode(ids) == "abb" ? 0 : 1;
}
