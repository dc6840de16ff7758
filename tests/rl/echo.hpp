// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The smallest task there is, and a model for it: write the letter that you read.
#pragma once

#include "model/small_model.hpp"

#include <dsr1/rl/task.hpp>
#include <dsr1/rl/text_codec.hpp>

namespace echo {

using namespace dsr1;

/// Prompts of one to three letters and a colon; the answer is the last letter. Syntax: one letter.
/// Logic: of the letters that prompts have. Task: the right one.
struct task {
  static constexpr std::string_view name = "echo";
  static constexpr std::string_view letters = "abcd";
  struct problem {
    std::string prompt, solution;
  };

  static std::string alphabet() { return "abcdxyz:"; }

  problem sample(split which, std::uint64_t i) const {
    const random_stream r(5, stream_of(which == split::train ? "train" : "test"));
    for (std::uint64_t n = 0;; ++n) {
      const std::uint64_t first = i << 20 | n << 3;
      std::string word;
      for (std::uint64_t k = 0; k <= r.below(first, 3); ++k)
        word += letters[r.below(first + k + 1, letters.size())];
      if (in_split(which, word)) return {word + ":", std::string(1, word.back())};
    }
  }

  verdict verify(const problem& p, std::string_view answer) const {
    verdict v;
    const auto size = static_cast<index_t>(answer.size());
    v.decided = {size, std::min<index_t>(1, size), size};
    v.reached[0] = answer.size() == 1 && answer[0] >= 'a' && answer[0] <= 'z';
    v.reached[1] = !answer.empty() && letters.find(answer[0]) != std::string_view::npos;
    v.reached[2] = answer == p.solution;
    if (!v.reached[2])
      v.why = !v.reached[0]   ? "not a letter"
              : !v.reached[1] ? "a letter that no prompt has"
                              : "another letter";
    return v;
  }
};
static_assert(dsr1::task<task>);

template <class T>
using model = causal_lm<small_model::body<T>>;

template <class T>
model<T> make() {
  return model<T>({.vocab = 9, .dim = 8}, small_model::body<T>());
}

}  // namespace echo
