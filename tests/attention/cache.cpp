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

TEST_CASE_METHOD(fixture, "kv_cache: tokens taken back leave no trace, to the bit") {
  const index_t n = 400, chunk = 24;
  const auto x = battery::normals<float>(n * 12, 1), guess = battery::normals<float>(n * 12, 9);
  layer_type::saved whole, ring;
  const auto expected = layer.forward(ctx, battery::matrix_of(x, n, 12), whole);
  layer.open_cache(ctx, ring, cache_options{.slots = 2, .capacity = 100'000, .chunk = chunk});
  const auto feed = [&](const std::vector<float>& from, index_t position, index_t count) {
    const sequence s{.begin = 0, .length = count, .position = position, .slot = 1};
    return layer.forward(
        ctx,
        {battery::matrix_of(from, n, 12).slice_rows(position, count), sequence_layout({&s, 1})},
        ring);
  };
  const auto expect = [&](view<float, 2> y, index_t at) {
    for (index_t i = 0; i < y.rows(); ++i)
      for (index_t d = 0; d < 12; ++d) REQUIRE(y(i, d) == expected(at + i, d));
  };
  // [take_back]
  for (index_t at = 0; at + chunk <= n; at += 5) {
    feed(guess, at, chunk);              // up to a chunk of tokens that may turn out to be wrong
    expect(feed(x, at, 5), at);          // the next call just names an earlier position
    expect(feed(x, at + 3, 2), at + 3);  // again, counted from the furthest position
  }
  // [/take_back]
}

TEST_CASE_METHOD(fixture, "kv_cache: a ring allows a chunk before the furthest position") {
  const auto x = battery::normals<float>(300 * 12, 1);
  layer_type::saved whole;
  const auto expected = layer.forward(ctx, battery::matrix_of(x, 300, 12), whole);
  const auto feed = [&](layer_type::saved& s, index_t n, index_t position) {
    const sequence one{.begin = 0, .length = n, .position = position};
    const auto y = layer.forward(
        ctx, {battery::matrix_of(x, 300, 12).slice_rows(position, n), sequence_layout({&one, 1})},
        s);
    for (index_t i = 0; i < n; ++i)
      for (index_t d = 0; d < 12; ++d) REQUIRE(y(i, d) == expected(position + i, d));
  };
  for (const index_t chunk : {1, 16, 24, 30}) {
    layer_type::saved s;
    layer.open_cache(ctx, s, cache_options{.capacity = 10'000, .chunk = chunk});
    const index_t ring = s.cache.bytes() / (2 * 12 * 4), allowed = ring - 40 + 1;
    REQUIRE(allowed >= chunk);
    for (index_t at = 0; at < 200; at += chunk) feed(s, chunk, at);
    const index_t end = round_up(200, chunk);
    // What was taken back counts from the furthest position, however often and by how little.
    for (index_t back = 1; back <= allowed; ++back) feed(s, 1, end - back);
    CHECK(mentions(message_of([&] { feed(s, 1, end - allowed - 1); }), "takes back",
                   std::to_string(allowed + 1), "allows " + std::to_string(allowed)));
    feed(s, 1, end);    // going on is possible still
    feed(s, chunk, 0);  // and so is starting anew
    CHECK(mentions(message_of([&] { feed(s, 1, chunk + 1); }), "goes on at position",
                   "slot 0 holds " + std::to_string(chunk)));
  }
}

TEST_CASE("kv_cache: without a window any number of tokens can be taken back") {
  context<cpu> ctx({.threads = 1});
  kv_cache<float> cache;
  cache.open(ctx, cache_options{.slots = 2, .capacity = 100, .chunk = 4}, 0, 3, 2);
  CHECK(cache.is_open());
  CHECK_FALSE(cache.is_joint());
  CHECK(cache.bytes() == 2 * 128 * (3 + 2) * 4);
  const auto keys = battery::normals<float>(300, 1), values = battery::normals<float>(300, 2);
  const auto append = [&](index_t n, index_t position) {
    const sequence s{.begin = 0, .length = n, .position = position, .slot = 1};
    return cache.append(ctx, battery::matrix_of(keys, n, 3), battery::matrix_of(values, n, 2),
                        sequence_layout({&s, 1}));
  };
  append(90, 0);
  append(1, 90);
  append(1, 1);
  const auto all = append(2, 50);
  CHECK(all.ring == 128);
  CHECK(all.keys(128 + 51, 2) == keys[5]);
  CHECK(all.values(128 + 51, 1) == values[3]);
  CHECK(all.values(128 + 52, 1) == values[52 * 2 + 1]);  // as it was
  append(0, 0);                                          // nothing: no new start
  append(1, 91);
  CHECK(mentions(message_of([&] { append(1, 93); }), "position 93", "slot 1 holds 92"));
}

TEST_CASE("kv_cache: one tensor, whose first columns are the values") {
  context<cpu> ctx({.threads = 1});
  kv_cache<float> cache;
  cache.open_joint(ctx, cache_options{.slots = 2, .capacity = 32, .chunk = 4}, 0, 5, 3);
  CHECK(cache.is_joint());
  CHECK(cache.bytes() == 2 * 32 * 5 * 4);
  const auto rows = battery::normals<float>(10, 1);
  const auto all = cache.append(ctx, battery::matrix_of(rows, 2, 5), sequence_layout(2));
  CHECK(all.keys.columns() == 5);
  CHECK(all.values.columns() == 3);
  CHECK(all.values.data == all.keys.data);
  CHECK(all.values(1, 2) == rows[7]);
  CHECK(mentions(message_of([&] {
                   cache.append(ctx, battery::matrix_of(rows, 2, 5), battery::matrix_of(rows, 2, 3),
                                sequence_layout(2));
                 }),
                 "cache of one tensor"));
  CHECK(mentions(message_of([&] { cache.open_joint(ctx, {.capacity = 32}, 0, 5, 6); }),
                 "6 of them values", "1 to 5"));
  cache.open(ctx, {.capacity = 32}, 0, 5, 5);
  CHECK_FALSE(cache.is_joint());
  CHECK(mentions(
      message_of([&] { cache.append(ctx, battery::matrix_of(rows, 2, 5), sequence_layout(2)); }),
      "one tensor for a cache of keys and values"));
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
