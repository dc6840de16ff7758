// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The model and the text of the last examples: bytes in, bytes out, small enough for seconds.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include <dsr1/dsr1.hpp>

namespace tiny {

inline constexpr dsr1::attention_shape look{
    .dim = 64, .heads = 4, .kv_heads = 2, .head_dim = 16, .window = 32};
inline constexpr dsr1::moe_shape think{.dim = 64, .hidden = 32, .experts = 16, .top_k = 2};
template <class L>
using add = dsr1::residual<dsr1::pre_norm<L>>;
using body = dsr1::repeat<
    dsr1::sequential<add<dsr1::attention<look>>, add<dsr1::moe<think, dsr1::sigmoid_gate>>>, 2>;
using model = dsr1::causal_lm<body, dsr1::lm_shape{.vocab = 256, .dim = 64, .tied = true}>;

inline constexpr std::string_view text =
    "A layer is any type with a nested saved, and forward, backward and for_each_parameter. "
    "Saved is the explicit memory of the forward pass; composition composes it. "
    "Parameter gradients accumulate, activation gradients are written. ";

/// `count` bytes of the text from `first` on, around its end, as token ids.
inline std::vector<std::int32_t> bytes(std::size_t first, std::size_t count) {
  std::vector<std::int32_t> ids;
  for (std::size_t i = 0; i < count; ++i)
    ids.push_back(static_cast<unsigned char>(text[(first + i) % text.size()]));
  return ids;
}

inline dsr1::view<const std::int32_t, 1> view_of(const std::vector<std::int32_t>& ids,
                                                 std::size_t first, std::size_t count) {
  return dsr1::view<const std::int32_t, 1>(ids.data() + first, count);
}

/// Learns the text by heart.
template <class Ctx, class Model>
void learn(Ctx& ctx, Model& m, std::int64_t steps) {
  dsr1::initialize(ctx, m);
  dsr1::trainer trainer(ctx, m);
  const dsr1::schedule rate{.warmup = 10, .total = steps};
  while (trainer.steps() < steps) {
    const auto ids = bytes(static_cast<std::size_t>(trainer.steps()) * 97, 129);
    const dsr1::training_batch batch[] = {
        {{view_of(ids, 0, 128), dsr1::sequence_layout(128)}, view_of(ids, 1, 128)}};
    trainer.step(batch, 3e-3 * rate(trainer.steps()));
  }
}

}  // namespace tiny
