// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The whole layer: gradients, a naive reference, invariances, errors.

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
  const auto r = testing::check_gradients(ctx, layer, battery::matrix_of(x, rows, shape.dim), sequence_layout(parts));
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
