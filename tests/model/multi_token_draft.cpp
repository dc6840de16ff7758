// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The multi-token-prediction layer as a draft: the tokens of plain decoding, whatever it guesses,
// and the guess that the layer gives without caches.

#include "catch.hpp"
#include "model/small_model.hpp"

#include <dsr1/model/decoder.hpp>
#include <dsr1/model/multi_token_draft.hpp>
#include <dsr1/model/speculative.hpp>

using namespace small_model;

namespace {

using draft_block = block<full, float>;
using main_lm = small_lm<float, false>;
using lm = multi_token_lm<main_lm, draft_block>;

struct fixture {
  context<cpu> ctx{{.threads = 2, .seed = 5}};
  lm model{main_lm(), multi_token_layer<draft_block>(8, draft_block())};
  cache_options cache{.slots = 1, .capacity = 40, .chunk = 6};
  fixture() {
    initialize(ctx, model, false);
    enlarge(model);
  }
  std::vector<std::int32_t> greedy(std::vector<std::int32_t> fresh, index_t count) {
    decoder d(ctx, model.model(), cache);
    std::vector<std::int32_t> out;
    while (static_cast<index_t>(out.size()) < count) {
      const auto logits = d.feed(0, fresh);
      fresh = {static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) -
                                         logits.begin())};
      out.push_back(fresh[0]);
    }
    return out;
  }
};

}  // namespace

TEST_CASE("multi_token_draft: greedy tokens are those of plain decoding") {
  fixture f;
  for (const index_t guesses : {1, 2, 4})
    for (std::uint64_t stream = 0; stream < 6; ++stream) {
      const auto prompt = ids(1 + static_cast<index_t>(stream) * 2, 13, 20 + stream);
      decoder target(f.ctx, f.model.model(), f.cache);
      multi_token_draft draft(f.ctx, f.model, f.cache);
      speculative_decoder decode(target, draft,
                                 {.guesses = guesses, .sampling = {.temperature = 0}});
      decode.begin(prompt);
      std::vector<std::int32_t> out;
      while (out.size() < 24) {
        const auto more = decode.step(24 - static_cast<index_t>(out.size()));
        out.insert(out.end(), more.begin(), more.end());
      }
      CHECK(out == f.greedy(prompt, 24));
      CHECK(decode.counts().proposed > 0);
    }
}

TEST_CASE("multi_token_draft: its guess is the layer's own, computed without caches") {
  fixture f;
  const auto prompt = ids(11, 13, 3);
  decoder target(f.ctx, f.model.model(), f.cache);
  multi_token_draft draft(f.ctx, f.model, f.cache);
  // The states of all but the last token, in two pieces.
  for (const auto& [first, count] : {std::pair<index_t, index_t>{0, 7}, {7, 3}}) {
    const decode_input in{
        0,
        std::span(prompt).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)),
        count};
    draft.observe(0, first, target.hidden({&in, 1}));
  }
  const auto& guess = draft.propose(0, prompt, 1, {.temperature = 0});
  REQUIRE(guess.tokens.size() == 1);

  lm::saved s;
  f.ctx.workspace().reset();
  const token_batch batch{view<const std::int32_t, 1>(prompt.data(), prompt.size()),
                          sequence_layout(static_cast<index_t>(prompt.size()))};
  const view<const float, 2> h = f.model.model().hidden(f.ctx, batch, s.model);
  const view<const float, 2> y = f.model.draft_hidden(f.ctx, batch, h, s);
  const auto logits = f.model.model().logits(f.ctx, y.slice_rows(y.rows() - 1, 1));
  CHECK(guess.tokens[0] == std::max_element(logits.data, logits.data + 13) - logits.data);
}

TEST_CASE("multi_token_draft: states out of order are refused") {
  fixture f;
  multi_token_draft draft(f.ctx, f.model, f.cache);
  const std::vector<float> row(8);
  CHECK_THROWS_WITH(draft.observe(0, 2, battery::matrix_of(row, 1, 8)),
                    "multi_token_draft: states of slot 0 from position 2, expected 0 and at most "
                    "40 in all");
  const std::vector<std::int32_t> tokens{1, 2, 3};
  CHECK_THROWS_WITH(draft.propose(0, tokens, 1, {}),
                    "multi_token_draft: 0 states for 3 tokens, expected one less");
}
