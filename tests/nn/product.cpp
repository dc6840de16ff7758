// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Products with plain and with coded weights, in layers and by themselves.

#include "battery/device.hpp"

#include <dsr1/nn/embedding.hpp>
#include <dsr1/nn/feed_forward.hpp>
#include <dsr1/nn/initialize.hpp>
#include <dsr1/nn/linear.hpp>
#include <dsr1/nn/product.hpp>
#include <dsr1/quant/validate.hpp>

using namespace dsr1;

namespace {

/// A parameter [rows, columns] or [matrices, rows, columns] with normal values.
template <class T>
parameter<T> filled(std::initializer_list<index_t> extents) {
  parameter<T> p(extents, {.may_be_coded = true});
  p.allocate(host_memory::instance(), false);
  const auto values = battery::normals<float>(p.size(), 9);
  std::copy(values.begin(), values.end(), p.values().begin());
  return p;
}

/// The same numbers, as the coding holds them, plain and coded.
template <class T, int Rank>
parameter<T> coded_twin(parameter<T>& p, coding type) {
  std::vector<float> values(p.values().begin(), p.values().end());
  view<const float, Rank> w;
  w.data = values.data();
  for (int i = 0; i < Rank; ++i) w.extents[i] = p.extent(i);
  w.stride = w.row_size();
  coded_tensor codes = encode(type, w);
  for (index_t m = 0; m < codes.matrices; ++m)
    for (index_t r = 0; r < codes.rows; ++r)
      unpack(codes, m, r, p.values().data() + (m * codes.rows + r) * codes.columns);
  parameter<T> twin = filled<T>({1, 1});
  if constexpr (Rank == 2)
    twin = filled<T>({p.extent(0), p.extent(1)});
  else
    twin = filled<T>({p.extent(0), p.extent(1), p.extent(2)});
  twin.hold(std::move(codes));
  return twin;
}

template <class T>
std::vector<double> host(view<T, 2> y) {
  return {y.data, y.data + y.size()};
}

}  // namespace

TEMPLATE_TEST_CASE("product: a coded weight gives what its decoded numbers give", "", float,
                   double) {
  using T = TestType;
  context<cpu> ctx({.threads = 2});
  for (const coding type : {coding::f32, coding::bf16, coding::fp8, coding::mxfp4, coding::int4}) {
    ctx.workspace().reset();
    auto plain = filled<T>({37, 64});
    const auto coded = coded_twin<T, 2>(plain, type);
    const auto x = battery::normals<T>(5 * 64, 1), bias = battery::normals<T>(37, 2);
    for (const bool with_bias : {false, true}) {
      const auto b = with_bias ? view<const T, 1>(bias.data(), 37) : view<const T, 1>();
      const auto y = ctx.template take<T>(5, 37), z = ctx.template take<T>(5, 37);
      product(ctx, battery::cmatrix_of(x, 5, 64), std::as_const(plain), y, b);
      product(ctx, battery::cmatrix_of(x, 5, 64), coded, z, b);
      battery::check_close(std::vector<T>(z.data, z.data + z.size()), host(y),
                           coded.coded()->text());
    }
  }
}

TEMPLATE_TEST_CASE("product: one matrix for each group", "", float, double) {
  using T = TestType;
  context<cpu> ctx({.threads = 2});
  auto plain = filled<T>({3, 20, 32});
  const auto coded = coded_twin<T, 3>(plain, coding::mxfp4);
  const auto x = battery::normals<T>(6 * 32, 1), bias = battery::normals<T>(3 * 20, 2);
  const std::vector<index_t> ends = {2, 2, 6};
  const auto y = ctx.template take<T>(6, 20), z = ctx.template take<T>(6, 20);
  for (const parameter<T>* w : {&std::as_const(plain), &coded})
    grouped_product(ctx, battery::cmatrix_of(x, 6, 32), row_groups(ends), *w, w == &coded ? z : y,
                    battery::cmatrix_of(bias, 3, 20));
  battery::check_close(std::vector<T>(z.data, z.data + z.size()), host(y), "grouped");
}

TEST_CASE("product: layers compute on coded weights, and refuse to train them") {
  context<cpu> ctx({.threads = 1});
  feed_forward<feed_forward_shape{.dim = 32, .hidden = 64}> layer;
  embedding<> table({.vocab = 9, .dim = 32});
  initialize(ctx, layer);
  initialize(ctx, table);
  const std::vector<std::int32_t> ids = {8, 0, 3};
  const auto run = [&] {
    typename embedding<>::saved e;
    typename decltype(layer)::saved s;
    const auto x = table.forward(ctx, view<const std::int32_t, 1>(ids.data(), 3), e);
    return host(layer.forward(ctx, view<const float, 2>(x), s));
  };
  const auto code = [&](bool keep) {  // rounds the plain values, or holds codes
    const auto each = [&](const parameter_name&, parameter<float>& p) {
      auto twin = coded_twin<float, 2>(p, coding::mxfp4);
      if (!keep) p.hold(*twin.coded());
    };
    layer.for_each_parameter(each);
    table.for_each_parameter(each);
  };
  code(true);
  const auto expected = run();
  code(false);
  const auto values = run();
  battery::check_close(std::vector<float>(values.begin(), values.end()), expected, "layers");
  typename decltype(layer)::saved s;
  const auto x = battery::normals<float>(2 * 32, 1);
  const auto y = layer.forward(ctx, battery::matrix_of(x, 2, 32), s);
  CHECK_FALSE(message_of([&] { layer.backward(ctx, view<const float, 2>(y), s); }).empty());
}

TEST_CASE("product: a layer that holds codes") {
  context<cpu> ctx({.threads = 1});
  const auto values = battery::normals<float>(3 * 64, 1);
  const auto x = battery::cmatrix_of(values, 3, 64);
  // [hold]
  linear<> layer({.in = 64, .out = 48});
  initialize(ctx, layer, false);  // memory and first values, without gradients
  const view<const float, 2> weight = layer.weight().value<2>();
  coded_tensor codes = encode(mxfp4_codec{}, weight);
  validate(codes);                        // throws where a scale or a code is no number
  layer.weight().hold(std::move(codes));  // the floats are gone; 4.25 bits a weight remain
  linear<>::saved saved;
  const auto y = layer.forward(ctx, x, saved);
  // [/hold]
  std::vector<float> row(64);
  unpack(*layer.weight().coded(), 0, 47, row.data());
  double sum = 0;
  for (std::size_t i = 0; i < 64; ++i)
    sum += static_cast<double>(row[i]) * static_cast<double>(values[128 + i]);
  CHECK(static_cast<double>(y(2, 47)) == Approx(sum).epsilon(1e-5));
}

namespace {

/// A backend that has no products with codes.
struct plain_only : cpu {
  static void coded_matmul() {}
  static void coded_rows() {}
};

}  // namespace

TEST_CASE("product: a backend without quant_ops refuses codes and keeps plain weights") {
  context<plain_only> ctx({.threads = 1});
  static_assert(!quant_ops<context<plain_only>, float>);
  auto plain = filled<float>({4, 32});
  const auto coded = coded_twin<float, 2>(plain, coding::int4);
  const auto x = battery::normals<float>(32, 1);
  const auto y = ctx.take<float>(1, 4);
  product(ctx, battery::cmatrix_of(x, 1, 32), std::as_const(plain), y);
  CHECK(mentions(message_of([&] { product(ctx, battery::cmatrix_of(x, 1, 32), coded, y); }),
                 "no products with coded weights", "int4 [4, 32]"));
}
