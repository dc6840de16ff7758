// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// One of two translation units of a program that uses dsr1.

#include <cstdio>

#include <dsr1/dsr1.hpp>

float other_unit(dsr1::context<dsr1::cpu>& ctx);

int main() {
  dsr1::context<dsr1::cpu> ctx({.threads = 2, .seed = 1});
  dsr1::moe<dsr1::moe_shape{.dim = 16, .hidden = 8, .experts = 8, .top_k = 2}> layer;
  dsr1::initialize(ctx, layer);
  decltype(layer)::saved saved;
  const auto x = ctx.take<float>(5, 16);
  dsr1::cpu::fill(ctx, x.flat(), 0.5f);
  const float here = layer.forward(ctx, x, saved)(4, 15);
  const float there = other_unit(ctx);
  constexpr dsr1::version v;
  std::printf("dsr1 %d.%d.%d: %g %g\n", v.major, v.minor, v.patch, static_cast<double>(here),
              static_cast<double>(there));
  return here == there ? 0 : 1;
}
