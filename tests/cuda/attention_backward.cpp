// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Gradients of heads of all sizes, whose bits do not depend on the run or on other sequences.

#include "cuda/attention_results.hpp"

using namespace dsr1;
using backend = cuda_part<cuda_attention>;

TEMPLATE_TEST_CASE("cuda attention_backward: heads of more columns than one chunk or block takes",
                   "[cuda]", float, double) {
  context<backend> ctx;
  context<cpu> host({.threads = 1});
  const std::vector<sequence> two = {{.begin = 0, .length = 3}, {.begin = 3, .length = 35}};
  for (const auto& [heads, kv_heads, head_dim, value_dim] :
       std::vector<std::array<index_t, 4>>{{3, 1, 300, 257}, {2, 2, 129, 128}, {2, 1, 60, 90}}) {
    const attention_extents e{.heads = heads,
                              .kv_heads = kv_heads,
                              .head_dim = head_dim,
                              .value_dim = value_dim,
                              .window = 20,
                              .scale = 0.05};
    attention_test::check_close(
        attention_test::results_of<TestType>(ctx, e, sequence_layout(two), 38, true),
        attention_test::results_of<TestType>(host, e, sequence_layout(two), 38, true),
        text("heads of ", head_dim, " and ", value_dim));
  }
}

TEMPLATE_TEST_CASE("cuda attention_backward: positions that do not begin a block", "[cuda]", float,
                   double) {
  context<backend> ctx;
  context<cpu> host({.threads = 1});
  const std::vector<sequence> parts = {{.begin = 0, .length = 40, .position = 7},
                                       {.begin = 40, .length = 2, .position = 31},
                                       {.begin = 42, .length = 300, .position = 250}};
  for (const index_t window : {0, 3, 100}) {
    const attention_extents e{
        .heads = 3, .kv_heads = 1, .head_dim = 8, .window = window, .scale = 0.3};
    attention_test::check_close(
        attention_test::results_of<TestType>(ctx, e, sequence_layout(parts), 342, true),
        attention_test::results_of<TestType>(host, e, sequence_layout(parts), 342, true),
        text("window ", window));
  }
}

TEMPLATE_TEST_CASE("cuda attention_backward: a sequence has the same bits alone and beside others",
                   "[cuda]", float, double) {
  context<backend> ctx;
  const attention_extents e{.heads = 6, .kv_heads = 2, .head_dim = 10, .window = 50, .scale = 0.3};
  const std::vector<sequence> three = {
      {.begin = 0, .length = 70}, {.begin = 70, .length = 0}, {.begin = 70, .length = 41}};
  const auto alone = attention_test::results_of<TestType>(ctx, e, sequence_layout(70), 70, true);
  const auto again = attention_test::results_of<TestType>(ctx, e, sequence_layout(70), 70, true);
  auto beside = attention_test::results_of<TestType>(ctx, e, sequence_layout(three), 111, true);
  battery::check_same(again.dsinks, alone.dsinks, "dsinks of two runs");
  const auto check = [](const std::vector<TestType>& all, const std::vector<TestType>& own) {
    battery::check_same({all.begin(), all.begin() + static_cast<std::ptrdiff_t>(own.size())}, own,
                        "the first sequence");
  };
  check(beside.y, alone.y);
  check(beside.dq, alone.dq);
  check(beside.dk, alone.dk);
  check(beside.dv, alone.dv);
}
