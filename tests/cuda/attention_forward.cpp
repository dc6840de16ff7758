// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Heads of all sizes, and segments of keys: merged where they were made or elsewhere.

#include "cuda/attention_results.hpp"

using namespace dsr1;
using backend = cuda_part<cuda_attention>;

TEMPLATE_TEST_CASE("cuda attention_forward: heads of more columns than one chunk or block takes",
                   "[cuda]", float, double) {
  context<backend> ctx;
  context<cpu> host({.threads = 1});
  const std::vector<sequence> two = {{.begin = 0, .length = 3}, {.begin = 3, .length = 35}};
  for (const auto& [heads, kv_heads, head_dim, value_dim] : std::vector<std::array<index_t, 4>>{
           {5, 1, 576, 512}, {2, 2, 129, 128}, {2, 1, 127, 300}, {3, 3, 192, 65}}) {
    const attention_extents e{.heads = heads,
                              .kv_heads = kv_heads,
                              .head_dim = head_dim,
                              .value_dim = value_dim,
                              .window = 0,
                              .scale = 0.05};
    attention_test::check_close(
        attention_test::results_of<TestType>(ctx, e, sequence_layout(two), 38, false),
        attention_test::results_of<TestType>(host, e, sequence_layout(two), 38, false),
        text("heads of ", head_dim, " and ", value_dim));
  }
}

TEMPLATE_TEST_CASE("cuda attention_forward: cached calls that cross segments give the same bits",
                   "[cuda]", float, double) {
  context<backend> ctx;
  const auto check = [&](index_t window, index_t ring, const std::vector<index_t>& cuts) {
    const attention_extents e{
        .heads = 3, .kv_heads = 1, .head_dim = 4, .value_dim = 3, .window = window, .scale = 0.3};
    battery::attention_cached<TestType>(ctx, e, ring, cuts, {});
  };
  check(0, 288, {250, 5, 1, 1, 3, 27});
  check(40, 256, {200, 55, 1, 1, 200, 54, 1, 1, 9});
  check(270, 288, {19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 19, 9, 1, 1, 18, 17});
}

TEMPLATE_TEST_CASE("cuda attention_forward: shared out or not, the segments give the same bits",
                   "[cuda]", float, double) {
  context<backend> ctx;
  const std::vector<sequence> parts = {{.begin = 0, .length = 260, .position = 5},
                                       {.begin = 260, .length = 0},
                                       {.begin = 260, .length = 30, .position = 500},
                                       {.begin = 290, .length = 2}};
  const index_t n = 292, key = 2 * 5, value = 2 * 35;
  using matrix = battery::device_matrix<context<backend>, TestType>;
  for (const index_t window : {0, 7, 250}) {
    ctx.workspace().reset();
    const attention_extents e{
        .heads = 4, .kv_heads = 2, .head_dim = 5, .value_dim = 35, .window = window, .scale = 0.4};
    const matrix q(ctx, n, 20, battery::normals<TestType>(n * 20, 1)),
        k(ctx, n, key, battery::normals<TestType>(n * key, 2)),
        v(ctx, n, value, battery::normals<TestType>(n * value, 3)), y(ctx, n, 2 * value),
        apart(ctx, n, 2 * value), lse(ctx, n, 4), lse_apart(ctx, n, 4);
    const battery::device_vector<context<backend>, TestType> sinks(
        ctx, battery::normals<TestType>(4, 5));
    const key_values<TestType> kv{k.in(), v.in(), 0};
    attention_forward(ctx, e, q.in(), kv, sinks.in(), sequence_layout(parts), y.out(), lse.out(),
                      {.enough_blocks = 0});
    attention_forward(ctx, e, q.in(), kv, sinks.in(), sequence_layout(parts), apart.out(),
                      lse_apart.out(), {.enough_blocks = 1 << 20});
    battery::check_same(apart.host(), y.host(), text("window ", window));
    battery::check_same(lse_apart.host(), lse.host(), text("window ", window, ", lse"));
  }
}

TEST_CASE("cuda attention_forward: how many segments a tile sees at most", "[cuda]") {
  const auto most = [](sequence s, index_t window, index_t ring) {
    return attention_segments(sequence_layout({&s, 1}), window, ring);
  };
  CHECK(attention_segments(sequence_layout(), 0, 0) == 1);
  CHECK(most({.begin = 0, .length = 256}, 0, 0) == 1);
  CHECK(most({.begin = 0, .length = 257}, 0, 0) == 2);
  CHECK(most({.begin = 0, .length = 1, .position = 1000}, 0, 0) == 1);
  CHECK(most({.begin = 0, .length = 1, .position = 1000}, 0, 1024) == 4);
  CHECK(most({.begin = 0, .length = 1, .position = 100000}, 1, 1024) == 2);
  CHECK(most({.begin = 0, .length = 0, .position = 100000}, 0, 1024) == 1);
}
