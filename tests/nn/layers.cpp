// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// temporary smoke test
#include "battery/context.hpp"
#include "catch.hpp"

#include <dsr1/nn/embedding.hpp>
#include <dsr1/nn/feed_forward.hpp>
#include <dsr1/nn/recompute.hpp>
#include <dsr1/nn/repeat.hpp>
#include <dsr1/nn/residual.hpp>
#include <dsr1/nn/sequential.hpp>
#include <dsr1/testing/grad_check.hpp>

using namespace dsr1;

TEST_CASE("gradients of nested layers") {
  using ff = feed_forward<feed_forward_shape{.dim = 6, .hidden = 9, .bias = true}, double>;
  using net = repeat<sequential<residual<pre_norm<ff>>, recompute<residual<pre_norm<ff>>>>, 2>;
  context<cpu> ctx({.threads = 2, .seed = 3});
  net n;
  initialize(ctx, n);
  n.for_each_parameter([](const parameter_name&, auto& p) {
    for (auto& v : p.values()) v *= 20;
  });
  auto x = battery::normals<double>(7 * 6, 1);
  const auto r = testing::check_gradients(ctx, n, battery::matrix_of(x, 7, 6), sequence_layout(7));
  INFO(r.str());
  CHECK(r.error < 1e-6);
}
