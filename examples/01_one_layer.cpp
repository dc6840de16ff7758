// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// One mixture-of-experts layer inside a program that already exists.
//
// The program has rows of numbers of its own and wants y = moe(x) and the gradients. It needs a
// context (where the layer runs), the layer, and a `saved` (what backward needs from forward).

#include <cstdio>
#include <vector>

// [layer]
#include <dsr1/cpu.hpp>
#include <dsr1/moe.hpp>
#include <dsr1/nn.hpp>

using mixture = dsr1::moe<dsr1::moe_shape{.dim = 64, .hidden = 32, .experts = 16, .top_k = 2}>;

int main() {
  dsr1::context<dsr1::cpu> ctx({.seed = 1});
  mixture layer;
  dsr1::initialize(ctx, layer);

  std::vector<float> mine(100 * 64, 0.5f);                   // the program's own memory
  const dsr1::view<const float, 2> x(mine.data(), 100, 64);  // [tokens, dim], nothing is copied

  mixture::saved saved;
  const auto y = layer.forward(ctx, x, saved);    // lives in the context's workspace
  const auto dx = layer.backward(ctx, y, saved);  // as if the loss were |y|^2 / 2
  // [/layer]

  std::printf("y is [%td, %td], dx is [%td, %td]\n", y.rows(), y.columns(), dx.rows(),
              dx.columns());
  std::size_t numbers = 0;
  // [visit]
  layer.for_each_parameter([&](const dsr1::parameter_name& name, auto& p) {
    std::printf("  %-14s %6td numbers\n", name.str().c_str(), p.size());
    numbers += static_cast<std::size_t>(p.size());
  });
  // [/visit]

  ctx.workspace().reset();  // gives y and dx back; the next call takes nothing from the heap
  const bool ok = y.rows() == 100 && numbers == 16 * 64 + 16 + 16 * 3 * 32 * 64;
  std::puts(ok ? "ok" : "WRONG");
  return ok ? 0 : 1;
}
