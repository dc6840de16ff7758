// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The other translation unit: the same layer must be the same code and give the same bits.

#include <dsr1/dsr1.hpp>

float other_unit(dsr1::context<dsr1::cpu>& ctx) {
  dsr1::moe<dsr1::moe_shape{.dim = 16, .hidden = 8, .experts = 8, .top_k = 2}> layer;
  dsr1::initialize(ctx, layer);
  decltype(layer)::saved saved;
  const auto x = ctx.take<float>(5, 16);
  dsr1::cpu::fill(ctx, x.flat(), 0.5f);
  return layer.forward(ctx, x, saved)(4, 15);
}
