// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Latent attention: gradients, a naive reference, its two forms, invariances, errors.

#include "attention/latent_reference.hpp"
#include "catch.hpp"
#include "nn/layer_checks.hpp"

using namespace dsr1;

namespace {

constexpr latent_shape small{.dim = 10,
                             .heads = 3,
                             .q_rank = 7,
                             .kv_rank = 5,
                             .plain_dim = 4,
                             .rope_dim = 6,
                             .value_dim = 3};
constexpr latent_shape uncompressed{
    .dim = 9, .heads = 2, .q_rank = 0, .kv_rank = 8, .plain_dim = 3, .rope_dim = 2, .value_dim = 6};
constexpr latent_form forms[] = {latent_form::naive, latent_form::absorbed};

template <class T>
using any = latent_attention<latent_shape{}, T>;

std::vector<sequence> packed(const std::vector<index_t>& lengths) {
  std::vector<sequence> out;
  for (const index_t n : lengths)
    out.push_back({.begin = out.empty() ? 0 : out.back().begin + out.back().length, .length = n});
  return out;
}

template <class T>
std::vector<T> numbers(view<T, 2> x) {
  REQUIRE(x.dense());
  return {x.data, x.data + x.size()};
}

}  // namespace

static_assert(layer<latent_attention<small>, context<cpu>, float>);

TEST_CASE("latent_attention: gradients of every parameter, in both forms") {
  for (const latent_form form : forms)
    for (const latent_shape& shape : {small, uncompressed})
      for (const auto& lengths : {std::vector<index_t>{7, 1, 5}, std::vector<index_t>{70}}) {
        context<cpu> ctx({.threads = 2});
        latent_options options{.form = form};
        if (lengths.size() == 1) {
          options.scale = 0.3;
          options.rope = {.yarn = {.factor = 4, .original_length = 32}};
        }
        any<double> layer(shape, options);
        layer_checks::prepare(ctx, layer);
        const auto parts = packed(lengths);
        const index_t rows = parts.back().begin + parts.back().length;
        auto x = battery::normals<double>(rows * shape.dim, 5);
        const auto r = testing::check_gradients(ctx, layer, battery::matrix_of(x, rows, shape.dim),
                                                sequence_layout(parts));
        INFO(r.str());
        CHECK(r.checked > 150);
        CHECK(r.error < 1e-6);
      }
}

TEST_CASE("latent_attention: the formulas as loops in double give the same") {
  for (const latent_shape& shape : {small, uncompressed})
    for (const bool interleaved : {true, false}) {
      context<cpu> ctx({.threads = 2});
      latent_options options{.scale = interleaved ? 0 : 0.37, .norm_eps = 1e-3};
      options.rope.layout = interleaved ? rope_layout::interleaved : rope_layout::half_split;
      options.rope.theta = 50;
      any<double> layer(shape, options);
      layer_checks::prepare(ctx, layer);
      const index_t n = 40;
      const auto x = battery::normals<double>(n * shape.dim, 6);
      const auto expected = latent_reference::forward(layer, shape, options, x);
      for (const latent_form form : forms) {
        layer.form(form);
        any<double>::saved s;
        const auto y = layer.forward(ctx, battery::matrix_of(x, n, shape.dim), s);
        CHECK(layer_checks::distance(numbers(y), expected) < 1e-12);
      }
    }
}

TEST_CASE("latent_attention: the forms agree within rounding, results and gradients") {
  for (const latent_shape& shape : {small, uncompressed}) {
    context<cpu> ctx({.threads = 2});
    const index_t n = 90;
    const auto x = battery::normals<double>(n * shape.dim, 1),
               dy = battery::normals<double>(n * shape.dim, 2);
    any<double> layer(shape);
    layer_checks::prepare(ctx, layer);
    const auto naive = layer_checks::pass(ctx, layer, x, dy, n, shape.dim);
    clear_gradients(layer);
    layer.form(latent_form::absorbed);
    CHECK(layer.form() == latent_form::absorbed);
    const auto absorbed = layer_checks::pass(ctx, layer, x, dy, n, shape.dim);
    CHECK(layer_checks::distance(absorbed.y, naive.y) < 1e-12);
    CHECK(layer_checks::distance(absorbed.dx, naive.dx) < 1e-12);
    CHECK(layer_checks::distance(absorbed.gradients, naive.gradients) < 1e-12);
  }
}

TEST_CASE("latent_attention: cached, chunked, batched: the bits of the whole sequence") {
  for (const latent_form form : forms)
    for (const latent_shape& shape : {small, uncompressed}) {
      context<cpu> ctx({.threads = 2});
      any<float> layer(shape, {.form = form});
      layer_checks::prepare(ctx, layer);
      const index_t n = 150, dim = shape.dim;
      const auto x = battery::normals<float>(n * dim, 3), z = battery::normals<float>(40 * dim, 4);
      any<float>::saved whole, cached, packed_rows;
      const auto expected = numbers(layer.forward(ctx, battery::matrix_of(x, n, dim), whole));
      const auto other = numbers(layer.forward(ctx, battery::matrix_of(z, 40, dim), whole));
      const auto same = [&](view<float, 2> y, const std::vector<float>& all, index_t from) {
        for (index_t i = 0; i < y.rows(); ++i)
          for (index_t d = 0; d < dim; ++d)
            REQUIRE(y(i, d) == all[static_cast<std::size_t>((from + i) * dim + d)]);
      };
      layer.open_cache(ctx, cached, cache_options{.slots = 3, .capacity = 200, .chunk = 64});
      index_t at = 0, beside = 0;
      for (const index_t c : {1, 64, 1, 1, 13, 31, 32, 1, 6}) {  // slot 2, now and then with slot 0
        const index_t more = at % 2 == 0 ? 0 : std::min<index_t>(9, 40 - beside);
        std::vector<float> rows(x.begin() + at * dim, x.begin() + (at + c) * dim);
        rows.insert(rows.end(), z.begin() + beside * dim, z.begin() + (beside + more) * dim);
        const sequence parts[] = {{.begin = 0, .length = c, .position = at, .slot = 2},
                                  {.begin = c, .length = more, .position = beside, .slot = 0}};
        const auto y = layer.forward(
            ctx, {battery::cmatrix_of(rows, c + more, dim), sequence_layout(parts)}, cached);
        same(y.slice_rows(0, c), expected, at);
        same(y.slice_rows(c, more), other, beside);
        at += c;
        beside += more;
      }
      REQUIRE(at == n);
      std::vector<float> both = z;
      both.insert(both.end(), x.begin(), x.end());
      const auto parts = packed({40, n});
      const auto y = layer.forward(
          ctx, {battery::cmatrix_of(both, 40 + n, dim), sequence_layout(parts)}, packed_rows);
      same(y.slice_rows(0, 40), other, 0);
      same(y.slice_rows(40, n), expected, 0);
    }
}

TEST_CASE("latent_attention: static and dynamic shapes, any number of threads: the same bits") {
  for (const latent_form form : forms) {
    const latent_options options{.form = form};
    layer_checks::check_same_bits(latent_attention<small>(small, options),
                                  any<float>(small, options), 10, 10);
    layer_checks::check_same_bits(latent_attention<uncompressed>(uncompressed, options),
                                  any<float>(uncompressed, options), 9, 9);
    const auto x = battery::normals<float>(300 * 10, 3), dy = battery::normals<float>(300 * 10, 4);
    std::vector<layer_checks::outcome<float>> all;
    for (const int threads : {1, 2, 5}) {
      context<cpu> ctx({.threads = threads});
      any<float> layer(small, options);
      layer_checks::prepare(ctx, layer);
      all.push_back(layer_checks::pass(ctx, layer, x, dy, 300, 10, true));
    }
    CHECK(all[0] == all[1]);
    CHECK(all[0] == all[2]);
  }
}

TEST_CASE("latent_attention: gradients accumulate, and no tokens leave them at zero") {
  for (const latent_form form : forms) {
    context<cpu> ctx({.threads = 1});
    any<double> layer(small, {.form = form});
    layer_checks::prepare(ctx, layer);
    const auto x = battery::normals<double>(20 * 10, 3), dy = battery::normals<double>(20 * 10, 4);
    auto once = layer_checks::pass(ctx, layer, x, dy, 20, 10);
    const auto twice = layer_checks::pass(ctx, layer, x, dy, 20, 10);
    for (double& g : once.gradients) g *= 2;
    CHECK(layer_checks::distance(twice.gradients, once.gradients) < 1e-14);
    clear_gradients(layer);
    const auto none = layer_checks::pass(ctx, layer, {}, {}, 0, 10);
    CHECK(none.gradients == std::vector<double>(none.gradients.size()));
  }
}

TEST_CASE("latent_attention: names, sizes, and what is cached") {
  context<cpu> ctx({.threads = 1});
  any<float> full(small), plain(uncompressed);
  using list = std::vector<std::string>;
  CHECK(layer_checks::names(full) == list{"q_down.weight", "q_norm.weight", "q_up.weight",
                                          "kv_down.weight", "kv_norm.weight", "kv_up.weight",
                                          "out.weight"});
  CHECK(layer_checks::names(plain) ==
        list{"q.weight", "kv_down.weight", "kv_norm.weight", "kv_up.weight", "out.weight"});
  CHECK(count_parameters(full, 1).total == small.parameters());
  CHECK(count_parameters(plain, 1).total == uncompressed.parameters());
  CHECK(full.kv_up().extent(0) == 3 * (4 + 3));
  CHECK(full.kv_up().extent(1) == 5);
  CHECK(full.q().in() == 7);
  for (const latent_form form : forms) {
    full.form(form);
    any<float>::saved s;
    full.open_cache(ctx, s, cache_options{.slots = 2, .capacity = 64, .chunk = 8});
    CHECK(s.cache.bytes() == 2 * 4 * small.cached(form, 64));
  }
}

TEST_CASE("latent_attention: trained in one form, it decodes in the other") {
  context<cpu> ctx({.threads = 2});
  const auto x = battery::normals<double>(33 * 64, 8), dy = battery::normals<double>(33 * 64, 9);
  std::vector<double> results;
  // [latent]
  constexpr latent_shape shape{.dim = 64,
                               .heads = 4,
                               .q_rank = 48,
                               .kv_rank = 32,
                               .plain_dim = 16,
                               .rope_dim = 8,
                               .value_dim = 16};
  static_assert(shape.cached(latent_form::naive, 1) == 160);  // numbers per token
  static_assert(shape.cached(latent_form::absorbed, 1) == 40);
  latent_attention<shape, double> layer;
  initialize(ctx, layer);

  latent_attention<shape, double>::saved train;  // naive, which is the least work here
  const auto y = layer.forward(ctx, battery::matrix_of(x, 33, 64), train);
  layer.backward(ctx, battery::matrix_of(dy, 33, 64), train);

  latent_attention<shape, double>::saved decode;
  layer.form(latent_form::absorbed);
  layer.open_cache(ctx, decode, cache_options{.capacity = 64, .chunk = 32});
  for (index_t t = 0; t < 33; ++t) {
    const sequence next{.begin = 0, .length = 1, .position = t};
    const auto row = battery::matrix_of(x, 33, 64).slice_rows(t, 1);
    const auto z = layer.forward(ctx, {row, sequence_layout({&next, 1})}, decode);
    results.insert(results.end(), z.data, z.data + 64);
  }
  // [/latent]
  CHECK(layer_checks::distance(results, numbers(y)) < 1e-12);
}

TEST_CASE("latent_attention: errors") {
  context<cpu> ctx({.threads = 1});
  const auto made_with = [](auto change) {
    latent_shape shape = small;
    change(shape);
    return message_of([&] { any<float> a(shape); });
  };
  CHECK(mentions(made_with([](auto& s) { s.rope_dim = 5; }), "rope_dim is 5", "even"));
  CHECK(mentions(made_with([](auto& s) { s.rope_dim = 0; }), "rope_dim is 0", "at least 1"));
  CHECK(mentions(made_with([](auto& s) { s.q_rank = dynamic; }), "q_rank is -1", "at least 0"));
  CHECK(mentions(made_with([](auto& s) { s.kv_rank = 0; }), "kv_rank is 0", "at least 1"));
  CHECK(mentions(made_with([](auto& s) { s.plain_dim = -3; }), "plain_dim is -3"));
  CHECK(mentions(made_with([](auto& s) { s.value_dim = 0; }), "value_dim is 0"));
  CHECK(mentions(made_with([](auto& s) { s.heads = dynamic; }), "heads is -1", "dynamic"));
  CHECK(mentions(message_of([] {
                   latent_shape other = small;
                   other.kv_rank = 6;
                   latent_attention<small> a(other);
                 }),
                 "kv_rank is 6", "fixes it to 5"));
  CHECK(mentions(message_of([] { any<float> a(small, {.scale = -1}); }), "scale is -1"));
  CHECK(mentions(message_of([] { any<float> a(small, {.norm_eps = -1}); }), "eps is -1"));

  any<float> layer(small);
  layer_checks::prepare(ctx, layer);
  any<float>::saved s;
  const auto x = battery::normals<float>(33, 1);
  CHECK(mentions(message_of([&] { layer.forward(ctx, battery::matrix_of(x, 3, 11), s); }),
                 "11 columns", "expected 10"));
  const sequence gap[] = {{.begin = 0, .length = 1}, {.begin = 2, .length = 1}};
  CHECK(mentions(message_of([&] {
                   layer.forward(ctx, {battery::matrix_of(x, 3, 10), sequence_layout(gap)}, s);
                 }),
                 "row 1"));
  layer.open_cache(ctx, s, cache_options{.capacity = 32, .chunk = 8});
  layer.forward(ctx, battery::matrix_of(x, 3, 10), s);
  CHECK(mentions(message_of([&] { layer.backward(ctx, battery::matrix_of(x, 3, 10), s); }),
                 "used a cache"));
  layer.form(latent_form::absorbed);
  CHECK(mentions(message_of([&] { layer.forward(ctx, battery::matrix_of(x, 3, 10), s); }),
                 "absorbed form", "opened in the naive form"));
  const std::vector<std::byte> bytes(static_cast<std::size_t>(4 * layer.kv_up().size()));
  coded_tensor codes;
  codes.rows = layer.kv_up().extent(0);
  codes.columns = layer.kv_up().extent(1);
  codes.parts = {{bytes.data(), nullptr, codes.rows}};
  CHECK(mentions(message_of([&] { layer.kv_up().hold(codes); }), "plain numbers"));
}
