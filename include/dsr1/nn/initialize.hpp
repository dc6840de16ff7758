// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// First values, memory and counts of a layer's parameters.
#pragma once

#include <algorithm>

#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/core/random.hpp>
#include <dsr1/nn/concepts.hpp>

namespace dsr1 {

/// Takes memory for all parameters and fills them. Value i of a parameter depends only on the
/// context's seed, the parameter's name and i (in the whole tensor, when it holds slices). Without
/// `gradients` the layer can only infer.
template <class Ctx, class Layer>
void initialize(Ctx& ctx, Layer& layer, bool gradients = true) {
  layer.for_each_parameter([&]<class T>(const parameter_name& name, parameter<T>& p) {
    p.allocate(ctx.memory(), gradients);
    const initial& init = p.traits().init;
    const auto values = p.values().as(p.size());
    if (init.distribution != initial::kind::normal)
      return Ctx::backend::fill(ctx, values,
                                init.distribution == initial::kind::ones ? T(1) : T(0));
    const random_stream stream(ctx.options().seed, stream_of(name.str()));
    if (p.slices() == nullptr)
      return Ctx::backend::fill_normal(ctx, values, stream, init.deviation, index_t{0});
    for (index_t i = 0; i < p.extent(0); ++i)
      Ctx::backend::fill_normal(ctx, values.slice_rows(i * p.slice_size(), p.slice_size()), stream,
                                init.deviation,
                                p.slices()->held[static_cast<std::size_t>(i)] * p.slice_size());
  });
}

/// Marks all gradients as zero; touches no memory.
template <class Layer>
void clear_gradients(Layer& layer) {
  layer.for_each_parameter([](const parameter_name&, auto& p) { p.clear_gradient(); });
}

/// How many numbers a layer holds, and how many of them work on one token.
struct parameter_count {
  index_t total = 0;
  index_t active = 0;  ///< a tensor with one slice per expert counts top_k slices
};

/// Counts the trained parameters, of all ranks together; needs no memory for them.
template <class Layer>
parameter_count count_parameters(Layer& layer, index_t top_k) {
  parameter_count n;
  layer.for_each_parameter([&](const parameter_name&, auto& p) {
    if (p.traits().update != update_rule::optimizer) return;
    n.total += p.whole_size();
    n.active += p.traits().per_expert ? p.slice_size() * std::min(top_k, p.whole_extent(0))
                                      : p.whole_size();
  });
  return n;
}

}  // namespace dsr1
