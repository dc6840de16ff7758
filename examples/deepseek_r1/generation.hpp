// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Text from a model, token by token, as it comes.
#pragma once

#include <algorithm>
#include <chrono>
#include <ostream>
#include <string>
#include <vector>

#include <dsr1/model/decoder.hpp>
#include <dsr1/model/sampler.hpp>

#include "run.hpp"
#include "tokenizer.hpp"

namespace seed {

struct generation {
  std::string prompt;
  std::vector<std::int32_t> ids = {};  ///< what the model reads, when it is not the prompt itself
  index_t tokens = 200;
  std::int32_t end = -1;  ///< token that ends a document
  dsr1::sampler_options sampling = {};
};

struct generation_report {
  index_t prompt_tokens = 0, tokens = 0;
  double prompt_seconds = 0, seconds = 0;
};

/// Writes the prompt and what follows. A document begins with the end-of-document token, as in
/// training; another one ends the text.
template <class Ctx>
generation_report generate_text(std::ostream& out, Ctx& ctx, model& m, const run_config& c,
                                const tokenizer& words, const generation& g) {
  const auto now = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  };
  std::vector<std::int32_t> fresh = g.ids;
  if (fresh.empty()) {
    fresh = words.encode(g.prompt);
    fresh.insert(fresh.begin(), g.end);
  }
  const auto length = static_cast<index_t>(fresh.size());
  dsr1::expects(length + g.tokens <= c.size.context, "a prompt of ", length, " tokens and ",
                g.tokens, " more, the model's context is ", c.size.context);
  dsr1::decoder decode(
      ctx, m, dsr1::cache_options{.slots = 1, .capacity = length + g.tokens, .chunk = 256});
  dsr1::sampler draw(g.sampling);
  stream_decoder text(words);
  generation_report r{.prompt_tokens = length};
  out << g.prompt << std::flush;
  double start = now();
  for (; r.tokens < g.tokens; ++r.tokens) {
    const std::int32_t next = draw(decode.feed(0, fresh));
    if (r.tokens == 0) {
      r.prompt_seconds = now() - start;
      start = now();
    }
    if (next == g.end) break;
    out << text.push(next) << std::flush;
    fresh.assign(1, next);
  }
  out << text.finish() << "\n" << std::flush;
  r.seconds = now() - start;
  return r;
}

}  // namespace seed
