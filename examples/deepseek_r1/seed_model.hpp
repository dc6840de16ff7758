// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The seed system's model: 128 experts, top-4, rotary positions, a sliding window on every other
// layer, bias balancing; from a size that learns in minutes on two cores to one for a cluster.
#pragma once

#include <array>
#include <string_view>

#include <dsr1/attention/attention.hpp>
#include <dsr1/model/causal_lm.hpp>
#include <dsr1/moe/expert_parallel.hpp>
#include <dsr1/moe/moe.hpp>
#include <dsr1/nn/repeat.hpp>
#include <dsr1/nn/residual.hpp>
#include <dsr1/nn/sequential.hpp>

namespace seed {

using dsr1::index_t;

/// One size of the model. Everything below is known at compile time when the size is.
/// The architecture is that of gpt-oss (sinks, window on even layers, router bias), so that what it
/// trains can be stored as such a checkpoint: the balance bias takes part in the weights too, and
/// so is a router bias.
struct model_size {
  index_t vocab = 4096;
  index_t dim = 128;
  index_t layers = 4;
  index_t heads = 4;
  index_t kv_heads = 2;
  index_t head_dim = 32;
  index_t window = 128;  ///< of the even layers; the odd ones see everything
  index_t hidden = 64;   ///< of one expert
  index_t experts = 128;
  index_t top_k = 4;
  index_t context = 16'384;

  constexpr dsr1::attention_shape attention(index_t layer) const {
    return {.dim = dim,
            .heads = heads,
            .kv_heads = kv_heads,
            .head_dim = head_dim,
            .window = layer % 2 == 0 ? window : 0,
            .sinks = true};
  }
  constexpr dsr1::moe_shape mixture() const {
    return {.dim = dim, .hidden = hidden, .experts = experts, .top_k = top_k};
  }

  /// Trained numbers, and those that work on a token.
  constexpr index_t parameters() const {
    return layers * (attention(0).parameters() + mixture().parameters() + 2 * dim) + outside();
  }
  constexpr index_t active_parameters() const {
    return layers * (attention(0).parameters() + mixture().active_parameters() + 2 * dim) +
           outside();
  }
  /// fp32 weights, gradients and two states of the optimizer (Muon, for attention, needs only one).
  constexpr index_t training_bytes() const { return 16 * parameters(); }
  /// Keys and values of `tokens` tokens in all layers, fp32.
  constexpr index_t cache_bytes(index_t tokens) const {
    index_t numbers = 0;
    for (index_t l = 0; l < layers; ++l) numbers += attention(l).cached(tokens);
    return 4 * numbers;
  }
  /// Bytes that all of `ranks` ranks that hold the whole model send per step for its gradient, over
  /// their number: 2 (ranks - 1) / ranks of the fp32 gradient and of the experts' token counts.
  /// Each of two ranks sends exactly that, of more ranks each as its share is.
  constexpr index_t gradient_traffic(index_t ranks) const {
    return 2 * 4 * (parameters() + layers * experts) * (ranks - 1) / ranks;
  }
  /// The limit of many ranks, in fp32 and in int8 with one fp32 scale per block of 256.
  constexpr index_t gradient_traffic() const { return 2 * 4 * parameters(); }
  constexpr index_t gradient_traffic_int8() const {
    return 2 * (parameters() + parameters() / 256 * 4);
  }

 private:
  constexpr index_t outside() const { return 2 * vocab * dim + dim; }
};

struct named_size {
  std::string_view name;
  std::string_view purpose;
  model_size size;
};

inline constexpr std::array<named_size, 6> sizes = {{
    {"nano",
     "tests: seconds",
     {.vocab = 512,
      .dim = 32,
      .layers = 2,
      .heads = 2,
      .kv_heads = 1,
      .head_dim = 16,
      .window = 32,
      .hidden = 16}},
    {"mini",
     "one task on two cores, minutes",
     {.vocab = 512,
      .dim = 64,
      .layers = 3,
      .heads = 4,
      .kv_heads = 2,
      .head_dim = 16,
      .window = 64,
      .hidden = 32}},
    {"demo", "two cores, minutes", {}},
    {"small", "a workstation, a day", {.dim = 256, .layers = 6, .heads = 8, .hidden = 128}},
    {"medium",
     "a node",
     {.vocab = 32'768,
      .dim = 1024,
      .layers = 12,
      .heads = 16,
      .kv_heads = 4,
      .head_dim = 64,
      .hidden = 768}},
    {"large",
     "a cluster",
     {.vocab = 201'088,
      .dim = 2880,
      .layers = 36,
      .heads = 64,
      .kv_heads = 8,
      .head_dim = 64,
      .hidden = 2880}},
}};

constexpr const named_size* find_size(std::string_view name) {
  for (const named_size& s : sizes)
    if (s.name == name) return &s;
  return nullptr;
}

static_assert(find_size("small")->size.parameters() == 78'777'648,
              "the size of examples/03_model_as_type");
static_assert(find_size("large")->size.parameters() > 116'000'000'000);

using gate = dsr1::top_k_softmax_gate;
inline constexpr dsr1::glu expert_unit = dsr1::glu::clamped_swiglu();
using experts = dsr1::expert_parallel<dsr1::glu_experts<float>>;
using mixture = dsr1::moe<dsr1::moe_shape{}, gate, dsr1::bias_balance, float, experts>;
using block = dsr1::sequential<dsr1::residual<dsr1::pre_norm<dsr1::attention<>>>,
                               dsr1::residual<dsr1::pre_norm<mixture>>>;
using model = dsr1::causal_lm<dsr1::repeat<block>>;

/// The model of a size, without memory yet. `rate` is the step of the balance bias.
inline model make(const model_size& s, double rate = 0.1) {
  dsr1::repeat<block> layers(s.layers, [&](index_t i) {
    return block(
        dsr1::residual(dsr1::pre_norm(dsr1::attention<>(s.attention(i)))),
        dsr1::residual(dsr1::pre_norm(mixture(s.mixture(), gate{.weigh_with_bias = true},
                                              dsr1::bias_balance(rate), {.unit = expert_unit}))));
  });
  model m({.vocab = s.vocab, .dim = s.dim}, std::move(layers));
  // The last product of every residual branch starts smaller, so that depth does not add variance.
  // The embedding starts large: otherwise what all tokens have in common outweighs what tells them
  // apart, and the first steps of the routers send every token to the same few experts.
  const double smaller = 1 / std::sqrt(2.0 * static_cast<double>(s.layers));
  m.for_each_parameter([&](const dsr1::parameter_name& name, auto& p) {
    const std::string n = name.str();
    dsr1::parameter_traits& t = p.traits();
    if (n.ends_with("attention.out.weight") || n.ends_with("moe.experts.down"))
      t.init.deviation *= smaller;
    if (n == "embedding.weight") {
      t.init.deviation = 1;
      t.rate = 15;
    }
    if (n == "head.weight") t.init.deviation = 0.02;
    if (n.ends_with("moe.router.weight")) t.rate = 0.3;  // not faster than the balance bias follows
  });
  return m;
}

/// The experts of a layer.
inline experts& experts_of(model& m, index_t layer) {
  return m.body()[layer].get<1>().inner().inner().experts();
}

/// Experts spread over the ranks of every group of `expert_ranks` ranks; over all for 0. The model
/// stays as it is on one rank. Throws `error` when the groups do not divide the ranks.
template <class Comm>
model distributed(model m, const model_size& s, const Comm& comm, int expert_ranks) {
  const int ranks = comm.size();
  if (ranks == 1) return m;
  const int group = expert_ranks == 0 ? ranks : expert_ranks;
  dsr1::expects(ranks % group == 0, "experts spread over groups of ", group,
                " ranks, but there are ", ranks, " ranks");
  for (index_t l = 0; l < s.layers; ++l)
    experts_of(m, l).distribute(dsr1::folded_placement(s.experts, ranks, group), comm.rank());
  return m;
}

/// The same sizes as a type with every extent fixed: the same parameters.
template <model_size S>
struct fixed {
  template <class L>
  using add = dsr1::residual<dsr1::pre_norm<L>>;
  template <index_t Layer>
  using block = dsr1::sequential<add<dsr1::attention<S.attention(Layer)>>,
                                 add<dsr1::moe<S.mixture(), gate, dsr1::bias_balance>>>;
  using body = dsr1::repeat<dsr1::sequential<block<0>, block<1>>, S.layers / 2>;
  using type = dsr1::causal_lm<body, dsr1::lm_shape{.vocab = S.vocab, .dim = S.dim}>;
};

}  // namespace seed
