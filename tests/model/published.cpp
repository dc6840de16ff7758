// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Published decoders built from a config: names, static and open shapes, multi-token prediction.
// What they compute is held to the reference in load.cpp.

#include "battery/context.hpp"
#include "golden.hpp"

#include <dsr1/io/checkpoint_folder.hpp>
#include <dsr1/io/read_model_config.hpp>
#include <dsr1/model/families.hpp>
#include <dsr1/model/load.hpp>

using namespace dsr1;

TEST_CASE("golden: a published model with every size in its type gives the same bits", "[golden]") {
  const auto folder = golden::path("models/mixtral");
  if (folder.empty() || std::getenv("DSR1_GOLDEN")) return;  // the sizes below are those of one
  const model_config c = read_model_config(folder);
  constexpr attention_shape shape{.dim = 48, .heads = 4, .kv_heads = 2, .head_dim = 12};
  constexpr moe_shape experts{.dim = 48, .hidden = 32, .experts = 8, .top_k = 2};
  using open = published<attention<>, softmax_gate>;
  using fixed = published<attention<shape>, softmax_gate, float, experts>;
  const checkpoint_folder source(folder);
  context<cpu> ctx({.threads = 2});
  const std::vector<std::int32_t> ids{5, 1, 7, 90, 3, 3, 2};
  const auto run = [&](auto model) {
    load_checkpoint(ctx, model, c, mixtral_rule, source);
    typename decltype(model)::saved s;
    const token_batch batch{view<const std::int32_t, 1>(ids.data(), ids.size()),
                            sequence_layout(static_cast<index_t>(ids.size()))};
    const view<const float, 2> h = model.hidden(ctx, batch, s);
    const auto logits = model.logits(ctx, h);
    return std::vector<float>(logits.data, logits.data + logits.size());
  };
  CHECK(run(open::make(c)) == run(fixed::make(c)));
}

TEST_CASE("published: what does not fit together is refused") {
  model_config c;
  c.model_type = "x";
  c.vocab = 8;
  c.dim = 4;
  c.layers = 1;
  c.heads = c.kv_heads = 1;
  c.head_dim = 4;
  c.window = {0};
  c.sparse = {true};
  c.experts = 2;
  c.top_k = 1;
  c.expert_hidden = 4;
  using types = published<attention<>, softmax_gate>;
  CHECK_NOTHROW(types::make(c));
  CHECK_THROWS_WITH(types::make_multi_token(c),
                    "the model has 0 multi-token-prediction layers, expected 1");
  c.latent.kv_rank = 4;
  CHECK_THROWS_WITH(types::make(c),
                    "model type x has latent attention, the type of this model has not");
}
