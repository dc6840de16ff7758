// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A gate policy of one's own, and the check that its gradient is right.
//
// A score function is two loops over the experts of one token; `top_k_gate` adds the choice, the
// weights, groups and balancing. This one squares a softplus: soft near zero, linear nowhere.

#include <cmath>
#include <cstdio>
#include <span>
#include <vector>

#include <dsr1/cpu.hpp>
#include <dsr1/moe.hpp>
#include <dsr1/testing.hpp>

// [score]
struct squared_softplus {
  template <class T>
  void forward(std::span<const T> logits, std::span<T> s) const {
    for (std::size_t i = 0; i < s.size(); ++i) {
      const T soft = std::log1p(std::exp(logits[i]));
      s[i] = soft * soft;
    }
  }

  template <class T>
  void backward(std::span<const T> logits, std::span<const T> s, std::span<const T> ds,
                std::span<T> dlogits) const {
    for (std::size_t i = 0; i < s.size(); ++i)
      dlogits[i] += ds[i] * 2 * std::sqrt(s[i]) / (1 + std::exp(-logits[i]));
  }
};

using my_gate = dsr1::top_k_gate<squared_softplus>;
static_assert(dsr1::gate_policy<my_gate, float>);
// [/score]

int main() {
  // [check]
  // Finite differences need double precision, so every layer exists for double too.
  constexpr dsr1::moe_shape shape{.dim = 12, .hidden = 8, .experts = 10, .top_k = 3};
  dsr1::moe<shape, my_gate, dsr1::sequence_loss, double> layer(shape, my_gate{.scale = 2.0});

  dsr1::context<dsr1::cpu> ctx({.seed = 4});
  dsr1::initialize(ctx, layer);
  layer.for_each_parameter([](const dsr1::parameter_name&, auto& p) {
    for (double& v : p.values()) v *= 2;  // far from ties between experts
  });

  std::vector<double> x(9 * 12);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<double>(i));
  const auto result = dsr1::testing::check_gradients(
      ctx, layer, dsr1::view<double, 2>(x.data(), 9, 12), dsr1::sequence_layout(9));
  std::printf("%s\n", result.str().c_str());
  // [/check]

  const bool ok = result.error < 1e-6 && result.checked > 100;
  std::puts(ok ? "ok" : "WRONG");
  return ok ? 0 : 1;
}
