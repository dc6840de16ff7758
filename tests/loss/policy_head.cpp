// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A policy's head: naive reference, gradients, chunks, threads, rows alone, errors.

#include <cmath>
#include <vector>

#include "battery/policy_ops.hpp"

#include <dsr1/loss/policy_head.hpp>
#include <dsr1/nn/initialize.hpp>
#include <dsr1/nn/linear.hpp>

using namespace dsr1;
using battery::at;

namespace {

/// A head, a reference with another dim, and actions of which every fifth does not count.
template <class T>
struct head {
  context<cpu> ctx;
  index_t tokens, dim, vocab;
  linear<linear_shape{}, T> policy, other;
  std::vector<T> h, other_h;
  std::vector<std::int32_t> actions;

  head(index_t tokens_, index_t dim_, index_t vocab_, int threads = 2)
      : ctx({.threads = threads}),
        tokens(tokens_),
        dim(dim_),
        vocab(vocab_),
        policy({.in = dim, .out = vocab}),
        other({.in = dim + 1, .out = vocab}),
        h(battery::normals<T>(tokens * dim, 1)),
        other_h(battery::normals<T>(tokens * (dim + 1), 3)) {
    initialize(ctx, policy);
    initialize(ctx, other);
    const auto w = battery::normals<T>(vocab * dim, 2),
               v = battery::normals<T>(vocab * (dim + 1), 4);
    std::copy(w.begin(), w.end(), policy.weight().values().begin());
    std::copy(v.begin(), v.end(), other.weight().values().begin());
    for (index_t t = 0; t < tokens; ++t)
      actions.push_back(t % 5 == 3 ? -1 : static_cast<std::int32_t>(t * 7 % vocab));
  }
  view<const T, 2> rows() const { return battery::matrix_of(h, tokens, dim); }
  view<const std::int32_t, 1> chosen() const {
    return view<const std::int32_t, 1>(actions.data(), actions.size());
  }
  reference_states<T> reference() {
    return {battery::matrix_of(other_h, tokens, dim + 1), &other.weight()};
  }
};

template <class T>
std::vector<T> products(const std::vector<T>& h, const parameter<T>& w, index_t tokens) {
  std::vector<T> out;
  const auto m = w.template value<2>();
  for (index_t t = 0; t < tokens; ++t)
    for (index_t v = 0; v < m.rows(); ++v) {
      T sum = 0;
      for (index_t d = 0; d < m.columns(); ++d) sum += h[at(t * m.columns() + d)] * m(v, d);
      out.push_back(sum);
    }
  return out;
}

/// Slopes of a loss by the three results.
struct slopes {
  std::vector<double> log_probability, entropy, divergence;
  explicit slopes(index_t tokens)
      : log_probability(battery::normals<double>(tokens, 5)),
        entropy(battery::normals<double>(tokens, 6)),
        divergence(battery::normals<double>(tokens, 7)) {}
};

/// Everything that forward and backward compute, one after another.
template <class T>
std::vector<double> all_results(head<T>& one, const policy_head_options& options) {
  const policy_head<T> f(options);
  const auto reference = one.reference();
  const auto p = f.forward(one.ctx, one.rows(), one.policy.weight(), one.chosen(), &reference);
  std::vector<T> dh(one.h.size());
  const slopes d(one.tokens);
  f.backward(one.ctx, one.rows(), one.policy.weight(), one.chosen(), &reference, d.log_probability,
             d.entropy, d.divergence, battery::matrix_of(dh, one.tokens, one.dim));
  std::vector<double> out;
  for (const auto* part : {&p.log_probability, &p.entropy, &p.divergence})
    out.insert(out.end(), part->begin(), part->end());
  out.insert(out.end(), dh.begin(), dh.end());
  out.insert(out.end(), one.policy.weight().gradients().begin(),
             one.policy.weight().gradients().end());
  return out;
}

}  // namespace

TEST_CASE("policy_head: the naive log-probability, entropy and divergence") {
  for (const double temperature : {1.0, 0.6}) {
    head<double> one(11, 5, 19);
    const policy_head<double> f({.temperature = temperature});
    const auto reference = one.reference();
    const auto p = f.forward(one.ctx, one.rows(), one.policy.weight(), one.chosen(), &reference);
    const std::vector<double> none(11);
    const auto expected = battery::policy_loop(products(one.h, one.policy.weight(), 11),
                                               products(one.other_h, one.other.weight(), 11), 19,
                                               one.actions, 1 / temperature, none, none, none);
    battery::check_close(p.log_probability, expected.log_probability, "log_probability");
    battery::check_close(p.entropy, expected.entropy, "entropy");
    battery::check_close(p.divergence, expected.divergence, "divergence");
    const auto alone = f.forward(one.ctx, one.rows(), one.policy.weight(), one.chosen());
    CHECK(alone.log_probability == p.log_probability);
    CHECK(alone.entropy == p.entropy);
    CHECK(alone.divergence == none);
  }
}

TEST_CASE("policy_head: gradients by finite differences, with entropy, divergence, temperature") {
  head<double> one(7, 4, 9);
  const policy_head<double> f({.temperature = 0.8, .chunk_bytes = 1});
  const auto reference = one.reference();
  const slopes d(7);
  std::vector<double> dh(28);
  auto& w = one.policy.weight();
  f.backward(one.ctx, one.rows(), w, one.chosen(), &reference, d.log_probability, d.entropy,
             d.divergence, battery::matrix_of(dh, 7, 4));
  const auto value = [&] {
    const auto p = f.forward(one.ctx, one.rows(), w, one.chosen(), &reference);
    double sum = 0;
    for (std::size_t t = 0; t < 7; ++t)
      sum += d.log_probability[t] * p.log_probability[t] + d.entropy[t] * p.entropy[t] +
             d.divergence[t] * p.divergence[t];
    return sum;
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
  for (index_t i = 0; i < 36; ++i) check(w.values()[i], w.gradients()[i]);
  for (std::size_t i = 0; i < 4; ++i) CHECK(dh[3 * 4 + i] == 0);  // row 3 does not count
}

TEST_CASE("policy_head: neither the chunks nor the threads change a bit") {
  std::vector<double> first;
  for (const int threads : {1, 3})
    for (const index_t chunk : {1, 100'000, 100'000'000}) {
      head<float> one(300, 16, 1000, threads);
      const auto all = all_results(one, {.temperature = 0.9, .chunk_bytes = chunk});
      if (first.empty()) first = all;
      CHECK(all == first);
      if (chunk < 1'000'000) CHECK(one.ctx.workspace().peak_bytes() < 3'000'000);
    }
}

TEST_CASE("policy_head: float agrees with double") {
  head<float> narrow(40, 16, 500);
  head<double> wide(40, 16, 500);
  std::copy(narrow.h.begin(), narrow.h.end(), wide.h.begin());
  std::copy(narrow.other_h.begin(), narrow.other_h.end(), wide.other_h.begin());
  std::copy(narrow.policy.weight().values().begin(), narrow.policy.weight().values().end(),
            wide.policy.weight().values().begin());
  std::copy(narrow.other.weight().values().begin(), narrow.other.weight().values().end(),
            wide.other.weight().values().begin());
  const auto a = all_results(narrow, {}), b = all_results(wide, {});
  battery::check_close(std::vector<float>(a.begin(), a.end()), b, "float against double");
}

TEST_CASE("policy_head: a row alone has the bits that it has among others") {
  head<float> one(23, 16, 300);
  const policy_head<float> f({.temperature = 0.7});
  const auto reference = one.reference();
  const auto all = f.forward(one.ctx, one.rows(), one.policy.weight(), one.chosen(), &reference);
  for (index_t t = 0; t < one.tokens; ++t) {
    const reference_states<float> row = {reference.h.slice_rows(t, 1), reference.head};
    const auto alone = f.forward(one.ctx, one.rows().slice_rows(t, 1), one.policy.weight(),
                                 one.chosen().slice_rows(t, 1), &row);
    CHECK(alone.log_probability[0] == all.log_probability[at(t)]);
    CHECK(alone.entropy[0] == all.entropy[at(t)]);
    CHECK(alone.divergence[0] == all.divergence[at(t)]);
  }
}

TEST_CASE("policy_head: the slope of the log-probability alone is that of cross-entropy") {
  // What is not given is zero, and the gradient of the head accumulates.
  head<double> one(9, 4, 11);
  const std::vector<double> minus(9, -0.3), zero(9);
  std::vector<double> dh(36), twice(36);
  const policy_head<double> f;
  const auto reference = one.reference();
  auto& w = one.policy.weight();
  f.backward(one.ctx, one.rows(), w, one.chosen(), nullptr, minus, {}, {},
             battery::matrix_of(dh, 9, 4));
  const std::vector<double> once(w.gradients().begin(), w.gradients().end());
  f.backward(one.ctx, one.rows(), w, one.chosen(), &reference, minus, zero, zero,
             battery::matrix_of(twice, 9, 4));
  CHECK(twice == dh);
  for (std::size_t i = 0; i < once.size(); ++i)
    CHECK(w.gradients()[static_cast<index_t>(i)] == Approx(2 * once[i]).margin(1e-15));
  CHECK(f.forward(one.ctx, view<const double, 2>(nullptr, 0, 4), w,
                  view<const std::int32_t, 1>(nullptr, 0))
            .entropy.empty());
}

TEST_CASE("policy_head: huge logits are finite") {
  head<float> one(4, 2, 3);
  for (float& v : one.h) v *= 300;
  for (float& v : one.other_h) v *= -300;
  for (const double x : all_results(one, {})) CHECK(std::isfinite(x));
}

TEST_CASE("policy_head: errors") {
  head<float> one(4, 2, 3);
  const policy_head<float> f;
  auto reference = one.reference();
  auto& w = one.policy.weight();
  std::vector<float> dh(8);
  std::vector<double> slope(4, 1.0);
  const auto forward = [&] {
    return message_of([&] { f.forward(one.ctx, one.rows(), w, one.chosen(), &reference); });
  };
  const auto backward = [&](const reference_states<float>* to, std::span<const double> dl,
                            std::span<const double> dd, index_t rows = 4) {
    return message_of([&] {
      f.backward(one.ctx, one.rows(), w, one.chosen(), to, dl, {}, dd,
                 view<float, 2>(dh.data(), rows, 2));
    });
  };
  one.actions[2] = 3;
  CHECK(mentions(forward(), "action of token 2 is 3", "to 2"));
  CHECK(mentions(backward(nullptr, slope, {}), "action of token 2 is 3"));
  one.actions[2] = -2;
  CHECK(mentions(forward(), "action of token 2 is -2"));
  one.actions[2] = 0;
  CHECK(mentions(backward(nullptr, slope, slope), "divergence without a reference"));
  CHECK(mentions(backward(nullptr, std::span(slope).first(3), {}),
                 "3 slopes of the log-probability, expected 4"));
  CHECK(mentions(backward(nullptr, slope, {}, 3), "dh is [3, 2], expected [4, 2]"));
  slope[1] = std::numeric_limits<double>::quiet_NaN();
  CHECK(mentions(backward(nullptr, slope, {}), "slope of the log-probability of token 1 is nan"));
  reference.h = reference.h.slice_rows(0, 3);
  CHECK(mentions(forward(), "reference of 3 rows and a vocabulary of 3, expected 4 and 3"));
  reference = {one.reference().h, nullptr};
  CHECK(mentions(forward(), "without a head"));
  reference = one.reference();
  one.other_h[3] = std::numeric_limits<float>::infinity();
  CHECK(mentions(forward(), "divergence from the reference of token 1 is", "nan"));
  one.h[1] = std::numeric_limits<float>::quiet_NaN();
  CHECK(mentions(forward(), "log-probability of token 0 is", "nan"));
  CHECK(mentions(message_of([&] {
                   f.forward(one.ctx, one.rows(), w,
                             view<const std::int32_t, 1>(one.actions.data(), 3));
                 }),
                 "4 rows and 3 actions"));
  CHECK(
      mentions(message_of([] { policy_head<float> bad({.temperature = 0}); }), "temperature is 0"));
  CHECK(mentions(message_of([] { policy_head<float> bad({.chunk_bytes = -1}); }),
                 "-1 bytes a chunk"));
}
