// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Warm steps of attention take nothing from the heap: training, and decoding from a cache.

#include "nn/layer_checks.hpp"
#include "tensor/heap_count.hpp"

#include <dsr1/attention/attention.hpp>
#include <dsr1/attention/latent.hpp>

using namespace dsr1;

namespace {

template <class Layer>
void check(Layer layer) {
  for (const int threads : {1, 3}) {
    context<cpu> ctx({.threads = threads});
    layer_checks::prepare(ctx, layer);
    const index_t dim = layer.dim(), n = 100;
    const auto x = battery::normals<float>(n * dim, 1);
    typename Layer::saved train, decode;
    layer.open_cache(ctx, decode, cache_options{.capacity = 64, .chunk = 16});
    index_t position = 0;
    const auto step = [&] {
      ctx.workspace().reset();
      clear_gradients(layer);
      const auto y = layer.forward(ctx, battery::matrix_of(x, n, dim), train);
      layer.backward(ctx, view<const float, 2>(y), train);
      ctx.workspace().reset();
      const sequence next{.begin = 0, .length = 1, .position = position++};
      layer.forward(ctx,
                    {battery::matrix_of(x, n, dim).slice_rows(0, 1), sequence_layout({&next, 1})},
                    decode);
    };
    for (int i = 0; i < 3; ++i) step();
    const long before = heap_count;
    for (int i = 0; i < 5; ++i) step();
    const long after = heap_count;
    CHECK(after == before);
  }
}

}  // namespace

TEST_CASE("attention: once warm, neither training nor decoding asks the heap") {
  check(attention<>({.dim = 24, .heads = 4, .kv_heads = 2, .head_dim = 8, .qk_norm = true}));
  for (const latent_form form : {latent_form::naive, latent_form::absorbed})
    for (const index_t q_rank : {0, 12})
      check(latent_attention<>({.dim = 24,
                                .heads = 4,
                                .q_rank = q_rank,
                                .kv_rank = 16,
                                .plain_dim = 8,
                                .rope_dim = 4,
                                .value_dim = 6},
                               {.form = form}));
}
