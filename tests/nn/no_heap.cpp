// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A warm step of forward and backward takes nothing from the heap, on one thread and on several.

#include "nn/layer_checks.hpp"
#include "tensor/heap_count.hpp"

#include <dsr1/nn/embedding.hpp>
#include <dsr1/nn/feed_forward.hpp>
#include <dsr1/nn/recompute.hpp>
#include <dsr1/nn/repeat.hpp>
#include <dsr1/nn/residual.hpp>
#include <dsr1/nn/sequential.hpp>
#include <dsr1/quant/encode.hpp>

using namespace dsr1;

TEST_CASE("nn: once warm, training and inference never ask the heap") {
  using ff = feed_forward<feed_forward_shape{.dim = 48, .hidden = 64, .bias = true}>;
  using net = repeat<sequential<residual<pre_norm<ff>>, recompute<residual<pre_norm<ff>>>>, 2>;
  for (const int threads : {1, 3}) {
    context<cpu> ctx({.threads = threads});
    embedding<> table({.vocab = 30, .dim = 48});
    net layers;
    initialize(ctx, table);
    initialize(ctx, layers);
    std::vector<std::int32_t> tokens;
    for (int i = 0; i < 300; ++i) tokens.push_back(i * 7 % 30);
    embedding<>::saved s;
    net::saved t;
    const auto step = [&](bool inference) {
      ctx.workspace().reset();
      ctx.inference(inference);
      const auto x = table.forward(ctx, view<const std::int32_t, 1>(tokens.data(), 300), s);
      const auto y = layers.forward(ctx, x, t);
      if (inference) return;
      clear_gradients(table);
      clear_gradients(layers);
      table.backward(ctx, view<const float, 2>(layers.backward(ctx, view<const float, 2>(y), t)),
                     s);
    };
    for (int i = 0; i < 3; ++i) {
      step(false);
      step(true);
    }
    const long before = heap_count;
    for (int i = 0; i < 5; ++i) {
      step(false);
      step(true);
    }
    const long after = heap_count;
    CHECK(after == before);
  }
}

TEST_CASE("nn: once warm, layers with coded weights never ask the heap") {
  for (const int threads : {1, 3}) {
    context<cpu> ctx({.threads = threads});
    linear<> four({.in = 96, .out = 700}), eight({.in = 700, .out = 96});
    initialize(ctx, four, false);
    initialize(ctx, eight, false);
    four.weight().hold(encode(coding::mxfp4, view<const float, 2>(four.weight().value<2>())));
    eight.weight().hold(encode(coding::fp8, view<const float, 2>(eight.weight().value<2>())));
    const std::vector<float> x(40 * 96, 0.5f);
    linear<>::saved s, t;
    const auto step = [&](index_t tokens) {
      ctx.workspace().reset();
      const auto y = four.forward(ctx, view<const float, 2>(x.data(), tokens, 96), s);
      eight.forward(ctx, view<const float, 2>(y), t);
    };
    for (const index_t tokens : {1, 40, 1, 40}) step(tokens);
    const long before = heap_count;
    for (const index_t tokens : {1, 40, 7}) step(tokens);
    const long after = heap_count;
    REQUIRE(after == before);
  }
}
