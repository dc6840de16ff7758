// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A whole model as a type, written in reading order, with its size known before it has memory.

#include <cstdio>

// [model]
#include <dsr1/dsr1.hpp>

// Shapes are values; the compiler checks them where they are used.
constexpr dsr1::attention_shape near{
    .dim = 256, .heads = 8, .kv_heads = 2, .head_dim = 32, .window = 128, .sinks = true};
constexpr dsr1::attention_shape far{
    .dim = 256, .heads = 8, .kv_heads = 2, .head_dim = 32, .sinks = true};
constexpr dsr1::moe_shape think{.dim = 256, .hidden = 128, .experts = 128, .top_k = 4};

// y = x + f(norm(x)), twice per layer; windows on every other layer.
template <class L>
using add = dsr1::residual<dsr1::pre_norm<L>>;
template <dsr1::attention_shape Look>
using block =
    dsr1::sequential<add<dsr1::attention<Look>>, add<dsr1::moe<think, dsr1::sigmoid_gate>>>;

using body = dsr1::repeat<dsr1::sequential<block<near>, block<far>>, 3>;  // six layers
using model = dsr1::causal_lm<body, dsr1::lm_shape{.vocab = 4096, .dim = 256}>;
// [/model]

int main() {
  model m;  // no memory is taken yet
  const auto n = dsr1::count_parameters(m, think.top_k);
  std::printf("%.1f M parameters, %.1f M work on a token\n", 1e-6 * static_cast<double>(n.total),
              1e-6 * static_cast<double>(n.active));
  m.for_each_parameter([](const dsr1::parameter_name& name, auto& p) {
    if (name.str().find("layers.0.0.") == 0)
      std::printf("  %-40s %9td\n", name.str().c_str(), p.size());
  });

  const bool ok = n.total == 78'777'648 && n.active == 5'639'472;
  std::puts(ok ? "ok" : "WRONG");
  return ok ? 0 : 1;
}
