// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Dense and grouped products, with the shapes that forward and backward passes give them.

#include "ops/harness.hpp"

namespace bench {

namespace {

/// c = a b where the strides of a and b say which of them is stored transposed.
void dense(benchmark::State& state, context_type& ctx, index_t m, index_t n, index_t k, bool a_t,
           bool b_t) {
  tensor a(a_t ? k : m, a_t ? m : k), b(b_t ? n : k, b_t ? k : n, 2), c(m, n);
  const auto x = a_t ? a.mat().transposed() : a.mat();
  const auto y = b_t ? b.mat().transposed() : b.mat();
  measure(state, ctx, {.flop = 2 * product({m, n, k})},
          [&] { cpu::matmul(ctx, x, y, c.out(), accumulate::no, view<const float, 1>()); });
}

/// One row by a matrix: bound by reading the matrix.
void one_row(benchmark::State& state, context_type& ctx, index_t n, index_t k) {
  tensor a(1, k), b(n, k, 2), c(1, n);
  measure(state, ctx, {.bytes = b.bytes()}, [&] {
    cpu::matmul(ctx, a.mat(), b.mat().transposed(), c.out(), accumulate::no,
                view<const float, 1>());
  });
}

/// 128 experts of the shape `seed`, 2,048 tokens with four choices each, 64 rows an expert.
struct grouped {
  static constexpr index_t experts = 128, rows = 8192, dim = 256, hidden = 128;
  std::vector<index_t> ends;
  tensor x{rows, dim}, h{rows, 2 * hidden, 2}, up{experts * 2 * hidden, dim, 3};

  grouped() {
    for (index_t e = 1; e <= experts; ++e) ends.push_back(rows * e / experts);
  }
  work flop() const { return {.flop = 2 * product({rows, dim, 2 * hidden})}; }
  view<float, 3> weight() { return up.memory.as(experts, 2 * hidden, dim); }
};

}  // namespace

void add_linear() {
  add_with_context("linear/1024", [](auto& s, auto& c) { dense(s, c, 1024, 1024, 1024, 0, 0); });
  add_with_context("linear/1024_forward",
                   [](auto& s, auto& c) { dense(s, c, 1024, 1024, 1024, 0, 1); });
  add_with_context("linear/1024_weight_gradient",
                   [](auto& s, auto& c) { dense(s, c, 1024, 1024, 1024, 1, 0); });
  // The products of `seed`: tokens 2,048, width 256, queries, keys and values 384.
  add_with_context("linear/2048x384x256_forward",
                   [](auto& s, auto& c) { dense(s, c, 2048, 384, 256, 0, 1); });
  add_with_context("linear/2048x256x384_backward",
                   [](auto& s, auto& c) { dense(s, c, 2048, 256, 384, 0, 0); });
  add_with_context("linear/384x256x2048_weight_gradient",
                   [](auto& s, auto& c) { dense(s, c, 384, 256, 2048, 1, 0); });
  add_with_context("linear/one_row_4096x4096", [](auto& s, auto& c) { one_row(s, c, 4096, 4096); });
  add_with_context("linear/column_sum", [](auto& state, auto& ctx) {
    tensor x(32'768, 1024), y(1, 1024);
    measure(state, ctx, {.bytes = x.bytes()},
            [&] { cpu::column_sum(ctx, x.in(), y.out().flat(), accumulate::no); });
  });
  add_with_context("grouped/forward", [](auto& state, auto& ctx) {
    grouped g;
    measure(state, ctx, g.flop(), [&] {
      cpu::m_grouped_matmul(ctx, g.x.in(), row_groups(g.ends), view<const float, 3>(g.weight()),
                            true, g.h.out(), view<const float, 2>());
    });
  });
  add_with_context("grouped/backward", [](auto& state, auto& ctx) {
    grouped g;
    measure(state, ctx, g.flop(), [&] {
      cpu::m_grouped_matmul(ctx, g.h.in(), row_groups(g.ends), view<const float, 3>(g.weight()),
                            false, g.x.out(), view<const float, 2>());
    });
  });
  add_with_context("grouped/weight_gradient", [](auto& state, auto& ctx) {
    grouped g;
    measure(state, ctx, g.flop(), [&] {
      cpu::k_grouped_matmul(ctx, g.h.in(), g.x.in(), row_groups(g.ends), g.weight(),
                            accumulate::no);
    });
  });
  add_with_context("grouped/column_sum", [](auto& state, auto& ctx) {
    grouped g;
    tensor sum(grouped::experts, 2 * grouped::hidden);
    measure(state, ctx, {.bytes = g.h.bytes()}, [&] {
      cpu::grouped_column_sum(ctx, g.h.in(), row_groups(g.ends), sum.out(), accumulate::no);
    });
  });
}

}  // namespace bench
