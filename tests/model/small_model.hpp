// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A language model of a few hundred weights with everything in it: mixture of experts, windows,
// sinks, grouped heads, recomputation.
#pragma once

#include <vector>

#include "battery/context.hpp"

#include <dsr1/attention/attention.hpp>
#include <dsr1/model/causal_lm.hpp>
#include <dsr1/moe/moe.hpp>
#include <dsr1/nn/initialize.hpp>
#include <dsr1/nn/recompute.hpp>
#include <dsr1/nn/repeat.hpp>
#include <dsr1/nn/residual.hpp>
#include <dsr1/nn/sequential.hpp>

namespace small_model {

using namespace dsr1;

inline constexpr attention_shape full{
    .dim = 8, .heads = 4, .kv_heads = 2, .head_dim = 4, .sinks = true};
inline constexpr attention_shape windowed{
    .dim = 8, .heads = 4, .kv_heads = 2, .head_dim = 4, .window = 5};
inline constexpr moe_shape mixture{.dim = 8, .hidden = 6, .experts = 8, .top_k = 2};

template <attention_shape A, class T>
using block = sequential<residual<pre_norm<attention<A, T>>>,
                         residual<pre_norm<moe<mixture, top_k_softmax_gate, bias_balance, T>>>>;
template <class T>
using body = repeat<sequential<block<full, T>, recompute<block<windowed, T>>>, 2>;
template <class T, bool Tied>
using small_lm = causal_lm<body<T>, lm_shape{.vocab = 13, .dim = 8, .tied = Tied}>;

template <class Model>
void enlarge(Model& m) {
  m.for_each_parameter([](const parameter_name& name, auto& p) {
    const auto v = battery::normals<double>(p.size(), stream_of(name.str()), 0.4);
    for (index_t i = 0; i < p.size(); ++i)
      p.values()[i] = static_cast<std::remove_reference_t<decltype(p.values()[i])>>(
          v[static_cast<std::size_t>(i)] + (name.str().find("norm") != std::string::npos ? 1 : 0));
  });
}

inline std::vector<std::int32_t> ids(index_t n, index_t vocab, std::uint64_t stream) {
  std::vector<std::int32_t> out;
  for (index_t i = 0; i < n; ++i)
    out.push_back(static_cast<std::int32_t>(random_stream(9, stream).below(i, vocab)));
  return out;
}

}  // namespace small_model
