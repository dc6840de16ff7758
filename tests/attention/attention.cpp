// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The whole layer: gradients, a naive reference, invariances, errors.

#include <algorithm>
#include <cmath>

#include "battery/context.hpp"
#include "catch.hpp"

#include <dsr1/attention/attention.hpp>
#include <dsr1/testing/grad_check.hpp>

using namespace dsr1;

namespace {

constexpr attention_shape small{.dim = 10, .heads = 4, .kv_heads = 2, .head_dim = 6};

void check(attention_shape shape, attention_options options, std::vector<index_t> lengths) {
  context<cpu> ctx({.threads = 2});
  attention<attention_shape{}, double> layer(shape, options);
  initialize(ctx, layer);
  layer.for_each_parameter([](const parameter_name& name, auto& p) {
    const auto values = battery::normals<double>(p.size(), stream_of(name.str()), 0.5);
    for (index_t i = 0; i < p.size(); ++i) p.values()[i] = values[static_cast<std::size_t>(i)];
  });
  std::vector<sequence> parts;
  index_t rows = 0;
  for (const index_t n : lengths) {
    parts.push_back({.begin = rows, .length = n});
    rows += n;
  }
  auto x = battery::normals<double>(rows * shape.dim, 5);
  const auto r = testing::check_gradients(ctx, layer, battery::matrix_of(x, rows, shape.dim),
                                          sequence_layout(parts));
  INFO(r.str());
  CHECK(r.checked > 100);
  CHECK(r.error < 1e-6);
}

}  // namespace

TEST_CASE("attention: gradients") {
  check(small, {}, {7, 1, 5});
  attention_shape all = small;
  all.bias = all.sinks = all.qk_norm = true;
  all.window = 3;
  check(all, {.rope = {.layout = rope_layout::interleaved}}, {7, 1, 5});
  all.window = 70;
  check(all, {.rope = {.yarn = {.factor = 4, .original_length = 32}}, .scale = 0.3}, {150});
}

namespace {

/// Attention of one head as a double loop with a softmax over all visible keys.
void naive_head(const std::vector<double>& q, const std::vector<double>& k,
                const std::vector<double>& v, index_t n, index_t d, index_t window, double scale,
                const double* sink, std::vector<double>& y) {
  for (index_t i = 0; i < n; ++i) {
    std::vector<double> p;
    double sum = sink ? std::exp(*sink) : 0;
    const index_t first = window > 0 ? std::max<index_t>(0, i - window + 1) : 0;
    for (index_t j = first; j <= i; ++j) {
      double s = 0;
      for (index_t c = 0; c < d; ++c)
        s += q[static_cast<std::size_t>(i * d + c)] * k[static_cast<std::size_t>(j * d + c)];
      p.push_back(std::exp(scale * s));
      sum += p.back();
    }
    for (index_t c = 0; c < d; ++c) {
      double out = 0;
      for (index_t j = first; j <= i; ++j)
        out +=
            p[static_cast<std::size_t>(j - first)] / sum * v[static_cast<std::size_t>(j * d + c)];
      y[static_cast<std::size_t>(i * d + c)] = out;
    }
  }
}

}  // namespace

TEST_CASE("attention: a loop over heads, queries and keys gives the same") {
  context<cpu> ctx({.threads = 2});
  for (const index_t window : {0, 1, 5, 200}) {
    const index_t n = 97, d = 6, heads = 3;
    const auto qkv = battery::normals<double>(n * 3 * heads * d, 1);
    const auto all = battery::matrix_of(qkv, n, 3 * heads * d);
    const std::vector<double> sink = {-1, 0.5, 3};
    std::vector<double> y(static_cast<std::size_t>(n * heads * d)),
        lse(static_cast<std::size_t>(n * heads));
    cpu::attention(
        ctx, {.heads = heads, .kv_heads = heads, .head_dim = d, .window = window, .scale = 0.4},
        all.slice_columns(0, heads * d),
        key_values<double>{all.slice_columns(heads * d, heads * d),
                           all.slice_columns(2 * heads * d, heads * d), 0},
        view<const double, 1>(sink.data(), 3), sequence_layout(n),
        battery::matrix_of(y, n, heads * d), battery::matrix_of(lse, n, heads));
    for (index_t h = 0; h < heads; ++h) {
      std::vector<double> q, k, v, expected(static_cast<std::size_t>(n * d));
      for (index_t t = 0; t < n; ++t)
        for (index_t c = 0; c < d; ++c) {
          q.push_back(all(t, h * d + c));
          k.push_back(all(t, (heads + h) * d + c));
          v.push_back(all(t, (2 * heads + h) * d + c));
        }
      naive_head(q, k, v, n, d, window, 0.4, &sink[static_cast<std::size_t>(h)], expected);
      for (index_t t = 0; t < n; ++t)
        for (index_t c = 0; c < d; ++c)
          REQUIRE(
              y[static_cast<std::size_t>(t * heads * d + h * d + c)] ==
              Approx(expected[static_cast<std::size_t>(t * d + c)]).epsilon(1e-11).margin(1e-11));
    }
  }
}

TEST_CASE("attention: a packed document gives the bits that it gives alone") {
  context<cpu> ctx({.threads = 2});
  attention<> layer(attention_shape{
      .dim = 10, .heads = 4, .kv_heads = 2, .head_dim = 6, .window = 20, .sinks = true});
  initialize(ctx, layer);
  const auto x = battery::normals<float>(150 * 10, 3);
  const sequence parts[] = {
      {.begin = 0, .length = 37}, {.begin = 37, .length = 100}, {.begin = 137, .length = 13}};
  attention<>::saved s, alone;
  const auto y = layer.forward(ctx, {battery::matrix_of(x, 150, 10), sequence_layout(parts)}, s);
  for (const sequence& p : parts) {
    const auto z =
        layer.forward(ctx, battery::matrix_of(x, 150, 10).slice_rows(p.begin, p.length), alone);
    for (index_t t = 0; t < p.length; ++t)
      for (index_t d = 0; d < 10; ++d) REQUIRE(y(p.begin + t, d) == z(t, d));
  }
}

TEST_CASE("attention: any number of threads gives the same bits, forward and backward") {
  const auto x = battery::normals<float>(300 * 10, 3), dy = battery::normals<float>(300 * 10, 4);
  std::vector<float> first;
  for (const int threads : {1, 2, 5}) {
    context<cpu> ctx({.threads = threads});
    attention<> layer(attention_shape{.dim = 10,
                                      .heads = 4,
                                      .kv_heads = 2,
                                      .head_dim = 6,
                                      .window = 77,
                                      .bias = true,
                                      .sinks = true,
                                      .qk_norm = true});
    initialize(ctx, layer);
    const sequence parts[] = {{.begin = 0, .length = 200}, {.begin = 200, .length = 100}};
    attention<>::saved s;
    const auto y = layer.forward(ctx, {battery::matrix_of(x, 300, 10), sequence_layout(parts)}, s);
    const auto dx = layer.backward(ctx, battery::matrix_of(dy, 300, 10), s);
    std::vector<float> all(y.data, y.data + y.size());
    all.insert(all.end(), dx.data, dx.data + dx.size());
    layer.for_each_parameter([&](const parameter_name&, auto& p) {
      all.insert(all.end(), p.gradients().begin(), p.gradients().end());
    });
    if (first.empty()) first = all;
    REQUIRE(all == first);
  }
}

TEST_CASE("attention: memory of 16,384 tokens grows linearly") {
  context<cpu> ctx({.threads = 2});
  attention<> layer(
      attention_shape{.dim = 16, .heads = 2, .kv_heads = 1, .head_dim = 8, .window = 128});
  initialize(ctx, layer);
  std::size_t bytes[2];
  for (int i = 0; i < 2; ++i) {
    context<cpu> own({.threads = 2});
    const index_t n = i ? 16'384 : 4'096;
    const auto x = battery::normals<float>(n * 16, 1);
    attention<>::saved s;
    const auto y = layer.forward(own, battery::matrix_of(x, n, 16), s);
    layer.backward(own, view<const float, 2>(y), s);
    bytes[i] = own.workspace().peak_bytes();
  }
  CHECK(bytes[1] < 4.1 * static_cast<double>(bytes[0]));
}

TEST_CASE("attention: errors") {
  context<cpu> ctx({.threads = 1});
  CHECK(mentions(message_of([] {
                   attention<> a(
                       attention_shape{.dim = 4, .heads = 3, .kv_heads = 2, .head_dim = 4});
                 }),
                 "3 heads", "2 key-value heads"));
  CHECK(mentions(
      message_of([] { attention<> a(attention_shape{.dim = 4, .heads = 2, .head_dim = 4}); }),
      "kv_heads", "dynamic"));
  CHECK(mentions(message_of([] {
                   attention<> a(attention_shape{
                       .dim = 4, .heads = 2, .kv_heads = 2, .head_dim = 4, .window = -3});
                 }),
                 "window is -3"));
  CHECK(mentions(message_of([] {
                   attention<small> a(
                       attention_shape{.dim = 10, .heads = 8, .kv_heads = 2, .head_dim = 6});
                 }),
                 "heads is 8", "fixes it to 4"));
  attention<small> layer;
  initialize(ctx, layer);
  attention<small>::saved s;
  const auto x = battery::normals<float>(33, 1);
  CHECK(mentions(message_of([&] { layer.forward(ctx, battery::matrix_of(x, 3, 11), s); }),
                 "11 columns", "expected 10"));
  const sequence gap[] = {{.begin = 0, .length = 1}, {.begin = 2, .length = 1}};
  CHECK(mentions(message_of([&] {
                   layer.forward(ctx, {battery::matrix_of(x, 3, 10), sequence_layout(gap)}, s);
                 }),
                 "row 1"));
}
