// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Grouped experts: the same as one dense block per expert, and nothing for an idle one.

#include <vector>

#include "battery/context.hpp"
#include "catch.hpp"

#include <dsr1/moe/experts.hpp>
#include <dsr1/nn/feed_forward.hpp>
#include <dsr1/nn/initialize.hpp>

using namespace dsr1;

TEST_CASE("glu_experts: every group equals a dense block with that expert's weights") {
  context<cpu> ctx({.threads = 2});
  const expert_shape shape{.dim = 7, .hidden = 5, .experts = 4, .bias = true};
  glu_experts<float> experts(shape, glu::clamped_swiglu());
  initialize(ctx, experts);
  experts.for_each_parameter([](const parameter_name& name, auto& p) {
    const auto v = battery::normals<float>(p.size(), stream_of(name.str()));
    std::copy(v.begin(), v.end(), p.values().begin());
  });
  const std::vector<index_t> ends = {3, 3, 8, 9};  // expert 1 has nothing to do
  const auto x = battery::normals<float>(9 * 7, 1);
  const auto dy = battery::normals<float>(9 * 7, 2);
  glu_experts<float>::saved s;
  const auto y = experts.forward(ctx, battery::matrix_of(x, 9, 7), row_groups(ends), s);
  const auto dx = experts.backward(ctx, battery::matrix_of(dy, 9, 7), row_groups(ends), s);
  const row_groups groups(ends);
  for (index_t e = 0; e < 4; ++e) {
    feed_forward<> dense({.dim = 7, .hidden = 5, .bias = true}, glu::clamped_swiglu());
    initialize(ctx, dense);
    dense.for_each_parameter([&](const parameter_name& name, auto& p) {
      experts.for_each_parameter([&](const parameter_name& other, auto& q) {
        const bool same = (name.str() == "up.weight" && other.str() == "up") ||
                          (name.str() == "down.weight" && other.str() == "down") ||
                          (name.str() == "up.bias" && other.str() == "up_bias") ||
                          (name.str() == "down.bias" && other.str() == "down_bias");
        if (same) std::copy_n(q.values().data() + e * p.size(), p.size(), p.values().data());
      });
    });
    feed_forward<>::saved ds;
    const index_t first = groups.begin(e), n = groups.length(e);
    const auto dense_y = dense.forward(ctx, battery::matrix_of(x, 9, 7).slice_rows(first, n), ds);
    const auto dense_dx =
        dense.backward(ctx, battery::matrix_of(dy, 9, 7).slice_rows(first, n), ds);
    for (index_t i = 0; i < n * 7; ++i) {
      REQUIRE(y.row(first)[i] == dense_y.data[i]);
      REQUIRE(dx.row(first)[i] == dense_dx.data[i]);
    }
    dense.for_each_parameter([&](const parameter_name& name, auto& p) {
      if (name.str() != "up.weight") return;
      for (index_t i = 0; i < p.size(); ++i)
        REQUIRE(experts.up().gradients()[e * p.size() + i] == (n > 0 ? p.gradients()[i] : 0.0f));
    });
  }
}
