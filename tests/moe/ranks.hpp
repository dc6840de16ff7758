// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// One mixture-of-experts layer in one process and over ranks, and all that comes out of it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "battery/context.hpp"

#include <dsr1/comm/threads.hpp>
#include <dsr1/moe/expert_parallel.hpp>
#include <dsr1/moe/moe.hpp>
#include <dsr1/nn/initialize.hpp>
#include <dsr1/nn/recompute.hpp>

namespace expert_ranks {

using namespace dsr1;

/// What a layer gave, put together as if it came from one process.
template <class T>
struct outcome {
  std::vector<T> y, dx;
  std::map<std::string, std::vector<T>> gradients;  // whole tensors, summed in the order of ranks
  std::vector<traffic> sent;                        // of each rank
  std::vector<std::array<index_t, 3>> rows;         // rows_out, rows_in, count_bytes of each rank

  bool operator==(const outcome& o) const {
    return y == o.y && dx == o.dx && gradients == o.gradients;
  }
};

struct task {
  moe_shape shape{.dim = 6, .hidden = 5, .experts = 8, .top_k = 3, .expert_bias = true};
  std::vector<index_t> tokens = {23};  // of each rank
  placement where = even_placement(8, 1);
  expert_wire wire = {};
  int steps = 1;  // forward and backward that often; gradients add up
  int threads = 1;
  double hot = 0;  // added to the router's logit bias of expert 0
};

template <class T>
using single_layer = moe<moe_shape{}, softmax_gate, bias_balance, T>;
template <class T>
using spread_layer =
    moe<moe_shape{}, softmax_gate, bias_balance, T, expert_parallel<glu_experts<T>>>;

template <class Layer, class Ctx>
void prepare(Ctx& ctx, Layer& layer, double hot) {
  initialize(ctx, layer);
  layer.balance_bias().values()[0] = static_cast<typename Layer::number>(hot);
}

/// Runs `layer` on rows [first, first + tokens) of the whole batch and puts the results into place.
template <class Layer, class Ctx, class T>
void run_part(Ctx& ctx, Layer& layer, const task& t, index_t first, index_t tokens, T* y, T* dx) {
  index_t whole = 0;
  for (const index_t n : t.tokens) whole += n;
  const index_t dim = t.shape.dim;
  typename Layer::saved s;
  for (int step = 0; step < t.steps; ++step) {
    ctx.workspace().reset();
    const auto stream = static_cast<std::uint64_t>(step);
    const auto x = battery::normals<T>(whole * dim, 5 + stream);
    const auto dy = battery::normals<T>(whole * dim, 105 + stream);
    const auto out = layer.forward(ctx, view<const T, 2>(x.data() + first * dim, tokens, dim), s);
    std::copy_n(out.data, out.size(), y + first * dim);
    const auto back =
        layer.backward(ctx, view<const T, 2>(dy.data() + first * dim, tokens, dim), s);
    std::copy_n(back.data, back.size(), dx + first * dim);
  }
}

template <class T>
outcome<T> empty_outcome(const task& t) {
  index_t whole = 0;
  for (const index_t n : t.tokens) whole += n;
  outcome<T> o;
  o.y.resize(static_cast<std::size_t>(whole * t.shape.dim));
  o.dx = o.y;
  return o;
}

template <class T>
outcome<T> in_one_process(const task& t) {
  outcome<T> o = empty_outcome<T>(t);
  context<cpu> ctx({.threads = t.threads, .seed = 3});
  single_layer<T> layer(t.shape);
  prepare(ctx, layer, t.hot);
  run_part(ctx, layer, t, 0, static_cast<index_t>(o.y.size()) / t.shape.dim, o.y.data(),
           o.dx.data());
  layer.for_each_parameter([&](const parameter_name& name, parameter<T>& p) {
    o.gradients[name.str()].assign(p.gradients().begin(), p.gradients().end());
  });
  return o;
}

/// The same over ranks; Layer may be the layer inside another (`recompute`).
template <class T, class Layer = spread_layer<T>>
outcome<T> over_ranks(const task& t) {
  const auto ranks = static_cast<int>(t.tokens.size());
  outcome<T> o = empty_outcome<T>(t);
  o.sent.resize(t.tokens.size());
  o.rows.resize(t.tokens.size());
  std::vector<std::map<std::string, std::vector<T>>> parts(t.tokens.size());
  run_ranks(ranks, [&](rank_group& group) {
    const auto me = static_cast<std::size_t>(group.rank());
    context<cpu, rank_group> ctx({.threads = t.threads, .seed = 3}, group.duplicate());
    spread_layer<T> layer(t.shape);
    layer.experts().distribute(t.where, group.rank());
    layer.experts().wire(t.wire);
    prepare(ctx, layer, t.hot);
    index_t first = 0;
    for (std::size_t r = 0; r < me; ++r) first += t.tokens[r];
    if constexpr (std::is_same_v<Layer, spread_layer<T>>) {
      run_part(ctx, layer, t, first, t.tokens[me], o.y.data(), o.dx.data());
    } else {
      Layer outer(std::move(layer));
      run_part(ctx, outer, t, first, t.tokens[me], o.y.data(), o.dx.data());
      layer = std::move(outer.inner());
    }
    o.sent[me] = ctx.comm().counted();
    layer.for_each_parameter([&](const parameter_name& name, parameter<T>& p) {
      std::vector<T> whole(static_cast<std::size_t>(p.whole_size()));
      for (index_t i = 0; i < p.extent(0); ++i) {
        const index_t at = p.slices() ? p.slices()->held[static_cast<std::size_t>(i)] : i;
        std::copy_n(p.gradients().data() + i * p.slice_size(), p.slice_size(),
                    whole.data() + at * p.slice_size());
      }
      parts[me][name.str()] = std::move(whole);
    });
  });
  for (const auto& part : parts)
    for (const auto& [name, g] : part) {
      auto& sum = o.gradients[name];
      sum.resize(g.size());
      for (std::size_t i = 0; i < g.size(); ++i) sum[i] += g[i];
    }
  return o;
}

/// To the bit, but for the sign of a zero.
template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  return a == b;
}

/// The largest difference over the largest magnitude.
template <class T>
double apart(const std::vector<T>& a, const std::vector<T>& b) {
  double gap = a.size() == b.size() ? 0 : 1e300, scale = 0;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    gap = std::max(gap, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    scale = std::max(scale, std::abs(static_cast<double>(b[i])));
  }
  return scale > 0 ? gap / scale : gap;
}

}  // namespace expert_ranks
