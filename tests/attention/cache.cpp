// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The key-value cache: rings, slots, and its errors.

#include "battery/context.hpp"
#include "catch.hpp"

#include <dsr1/attention/attention.hpp>
#include <dsr1/nn/initialize.hpp>

using namespace dsr1;

namespace {

constexpr attention_shape shape{
    .dim = 12, .heads = 4, .kv_heads = 2, .head_dim = 6, .window = 40, .sinks = true};
using layer_type = attention<shape>;

struct fixture {
  context<cpu> ctx{{.threads = 2}};
  layer_type layer;
  fixture() {
    initialize(ctx, layer);
    layer.for_each_parameter([](const parameter_name& name, auto& p) {
      const auto v = battery::normals<float>(p.size(), stream_of(name.str()), 0.5);
      std::copy(v.begin(), v.end(), p.values().begin());
    });
  }
};

}  // namespace

TEST_CASE_METHOD(fixture, "kv_cache: a ring of window and chunk serves any length, to the bit") {
  const index_t n = 700;
  const auto x = battery::normals<float>(n * 12, 1);
  layer_type::saved whole, ring;
  const auto expected = layer.forward(ctx, battery::matrix_of(x, n, 12), whole);
  layer.open_cache(ctx, ring, cache_options{.slots = 2, .capacity = 100'000, .chunk = 50});
  CHECK(ring.cache.bytes() == 2 * 2 * 128 * 12 * 4);  // slots, round_up(40 + 50, 32) + 32 rows
  index_t at = 0;
  for (index_t c = 1; at < n; c = c % 50 + 7) {
    c = std::min(c, n - at);
    const sequence s{.begin = 0, .length = c, .position = at, .slot = 1};
    const auto y = layer.forward(
        ctx, {battery::matrix_of(x, n, 12).slice_rows(at, c), sequence_layout({&s, 1})}, ring);
    for (index_t i = 0; i < c; ++i)
      for (index_t d = 0; d < 12; ++d) REQUIRE(y(i, d) == expected(at + i, d));
    at += c;
  }
}

TEST_CASE_METHOD(fixture, "kv_cache: requests of different lengths in one call do not mix") {
  const auto x = battery::normals<float>(60 * 12, 2), z = battery::normals<float>(60 * 12, 3);
  layer_type::saved a, b, both;
  for (auto* s : {&a, &b, &both})
    layer.open_cache(ctx, *s, cache_options{.slots = 2, .capacity = 64, .chunk = 64});
  const auto y = layer.forward(ctx, battery::matrix_of(x, 60, 12).slice_rows(0, 20), a);
  const auto w = layer.forward(ctx, battery::matrix_of(z, 60, 12).slice_rows(0, 33), b);
  std::vector<float> joined(x.begin(), x.begin() + 20 * 12);
  joined.insert(joined.end(), z.begin(), z.begin() + 33 * 12);
  const sequence parts[] = {{.begin = 0, .length = 20, .position = 0, .slot = 1},
                            {.begin = 20, .length = 33, .position = 0, .slot = 0}};
  const auto v =
      layer.forward(ctx, {battery::cmatrix_of(joined, 53, 12), sequence_layout(parts)}, both);
  for (index_t d = 0; d < 12; ++d) {
    REQUIRE(v(19, d) == y(19, d));
    REQUIRE(v(52, d) == w(32, d));
  }
}

TEST_CASE_METHOD(fixture, "kv_cache: errors") {
  layer_type::saved s;
  CHECK(mentions(message_of([&] { layer.open_cache(ctx, s, cache_options{}); }), "0 positions",
                 "above 0"));
  layer.open_cache(ctx, s, cache_options{.slots = 2, .capacity = 256, .chunk = 16});
  const auto x = battery::normals<float>(300 * 12, 1);
  const auto feed = [&](index_t n, index_t position, index_t slot) {
    const sequence one{.begin = 0, .length = n, .position = position, .slot = slot};
    layer.forward(ctx,
                  {battery::matrix_of(x, 300, 12).slice_rows(0, n), sequence_layout({&one, 1})}, s);
  };
  CHECK(mentions(message_of([&] { feed(1, 0, 2); }), "slot 2", "has 2"));
  CHECK(mentions(message_of([&] { feed(1, 256, 0); }), "position 257", "holds 256"));
  CHECK(mentions(message_of([&] { feed(100, 0, 0); }), "100 tokens at once"));
  feed(3, 0, 0);
  CHECK(mentions(
      message_of([&] { layer.backward(ctx, battery::matrix_of(x, 300, 12).slice_rows(0, 3), s); }),
      "used a cache"));
}
