// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Cross-entropy of a linear head: naive reference, gradients, chunks, ignored targets, errors.

#include <cmath>
#include <vector>

#include "battery/context.hpp"
#include "catch.hpp"

#include <dsr1/loss/cross_entropy.hpp>
#include <dsr1/nn/initialize.hpp>
#include <dsr1/nn/linear.hpp>

using namespace dsr1;

namespace {

template <class T>
struct head {
  context<cpu> ctx;
  linear<linear_shape{}, T> layer;
  std::vector<T> h;
  std::vector<std::int32_t> targets;

  head(index_t tokens, index_t dim, index_t vocab, int threads = 2)
      : ctx({.threads = threads}),
        layer({.in = dim, .out = vocab}),
        h(battery::normals<T>(tokens * dim, 1)) {
    initialize(ctx, layer);
    const auto w = battery::normals<T>(vocab * dim, 2);
    std::copy(w.begin(), w.end(), layer.weight().values().begin());
    for (index_t t = 0; t < tokens; ++t)
      targets.push_back(t % 5 == 3 ? -1 : static_cast<std::int32_t>(t * 7 % vocab));
  }
  view<const T, 2> rows() const {
    const auto n = static_cast<index_t>(targets.size());
    return view<const T, 2>(h.data(), n, static_cast<index_t>(h.size()) / n);
  }
  view<const std::int32_t, 1> wanted() const {
    return view<const std::int32_t, 1>(targets.data(), targets.size());
  }
};

}  // namespace

TEST_CASE("cross_entropy: the naive sum") {
  head<double> one(11, 5, 19);
  double expected = 0;
  for (index_t t = 0; t < 11; ++t) {
    if (one.targets[static_cast<std::size_t>(t)] < 0) continue;
    double sum = 0, wanted = 0;
    for (index_t v = 0; v < 19; ++v) {
      double logit = 0;
      for (index_t d = 0; d < 5; ++d)
        logit += one.rows()(t, d) * one.layer.weight().template value<2>()(v, d);
      sum += std::exp(logit);
      if (v == one.targets[static_cast<std::size_t>(t)]) wanted = logit;
    }
    expected += std::log(sum) - wanted + 0.1 * std::log(sum) * std::log(sum);
  }
  const token_loss loss = cross_entropy<double>({.z = 0.1})
                              .forward(one.ctx, one.rows(), one.layer.weight(), one.wanted());
  CHECK(loss.tokens == 9);
  CHECK(loss.sum == Approx(expected).epsilon(1e-13));
  CHECK(loss.mean() == Approx(expected / 9));
}

TEST_CASE(
    "cross_entropy: the size of the chunks changes no bit, and memory does not grow with the "
    "vocabulary times tokens") {
  std::vector<float> first;
  for (const index_t chunk : {1, 100'000, 100'000'000}) {
    head<float> one(300, 16, 1000);
    std::vector<float> dh(300 * 16);
    const token_loss loss =
        cross_entropy<float>({.chunk_bytes = chunk})
            .forward_backward(one.ctx, one.rows(), one.layer.weight(), one.wanted(), 0.01,
                              battery::matrix_of(dh, 300, 16));
    std::vector<float> all(dh);
    all.insert(all.end(), one.layer.weight().gradients().begin(),
               one.layer.weight().gradients().end());
    all.push_back(static_cast<float>(loss.sum));
    if (first.empty()) first = all;
    CHECK(all == first);
    if (chunk < 1'000'000) CHECK(one.ctx.workspace().peak_bytes() < 3'000'000);
  }
}

TEST_CASE("cross_entropy: gradients by finite differences, with z-loss and ignored targets") {
  head<double> one(7, 4, 9);
  const cross_entropy<double> loss({.z = 0.05, .chunk_bytes = 9 * 8 * 8});
  std::vector<double> dh(28);
  loss.forward_backward(one.ctx, one.rows(), one.layer.weight(), one.wanted(), 0.7,
                        battery::matrix_of(dh, 7, 4));
  const auto value = [&] {
    return 0.7 * loss.forward(one.ctx, one.rows(), one.layer.weight(), one.wanted()).sum;
  };
  const auto check = [&](double& x, double analytic) {
    const double kept = x, step = 1e-6;
    x = kept + step;
    const double above = value();
    x = kept - step;
    const double below = value();
    x = kept;
    CHECK(analytic == Approx((above - below) / (2 * step)).margin(1e-7));
  };
  for (std::size_t i = 0; i < 28; ++i) check(one.h[i], dh[i]);
  auto& w = one.layer.weight();
  for (index_t i = 0; i < 36; ++i) check(w.values()[i], w.gradients()[i]);
  for (std::size_t d = 0; d < 4; ++d) CHECK(dh[3 * 4 + d] == 0);  // token 3 is ignored
}

TEST_CASE("cross_entropy: huge logits, all targets ignored, no tokens") {
  head<float> one(4, 2, 3);
  for (float& v : one.h) v *= 1e4f;
  CHECK(std::isfinite(
      cross_entropy<float>().forward(one.ctx, one.rows(), one.layer.weight(), one.wanted()).sum));
  one.targets.assign(4, -1);
  const token_loss none =
      cross_entropy<float>().forward(one.ctx, one.rows(), one.layer.weight(), one.wanted());
  CHECK(none.tokens == 0);
  CHECK(none.mean() == 0);
  CHECK(cross_entropy<float>()
            .forward(one.ctx, view<const float, 2>(nullptr, 0, 2), one.layer.weight(),
                     view<const std::int32_t, 1>(nullptr, 0))
            .sum == 0);
}

TEST_CASE("cross_entropy: errors") {
  head<float> one(4, 2, 3);
  const cross_entropy<float> loss;
  one.targets[2] = 3;
  CHECK(mentions(
      message_of([&] { loss.forward(one.ctx, one.rows(), one.layer.weight(), one.wanted()); }),
      "token 2 is 3", "to 2"));
  one.targets[2] = -2;
  CHECK(mentions(
      message_of([&] { loss.forward(one.ctx, one.rows(), one.layer.weight(), one.wanted()); }),
      "token 2 is -2"));
  one.targets[2] = 0;
  one.h[1] = std::numeric_limits<float>::infinity();
  CHECK(mentions(
      message_of([&] { loss.forward(one.ctx, one.rows(), one.layer.weight(), one.wanted()); }),
      "loss is not finite"));
  CHECK(mentions(message_of([&] {
                   loss.forward(one.ctx, one.rows(), one.layer.weight(),
                                view<const std::int32_t, 1>(one.targets.data(), 3));
                 }),
                 "4 tokens and 3 targets"));
  CHECK(mentions(message_of([] { cross_entropy<float> bad({.z = -1}); }), "z is -1"));
}
