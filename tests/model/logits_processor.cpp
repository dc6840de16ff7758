// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The distribution of the next token against a naive one that sorts everything; errors.

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <vector>

#include "catch.hpp"

#include <dsr1/core/random.hpp>
#include <dsr1/model/logits_processor.hpp>

using namespace dsr1;

namespace {

/// Every step over all tokens, probabilities normalised after each.
std::vector<double> naive(const sampler_options& o, const std::vector<float>& logits,
                          const std::vector<std::int32_t>& history) {
  const std::size_t n = logits.size();
  std::vector<double> x(logits.begin(), logits.end()), p(n);
  for (const std::int32_t t : std::set<std::int32_t>(history.begin(), history.end())) {
    double& v = x[static_cast<std::size_t>(t)];
    v = v > 0 ? v / o.repetition_penalty : v * o.repetition_penalty;
  }
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return x[a] > x[b]; });
  if (o.temperature == 0) {
    p[order[0]] = 1;
    return p;
  }
  for (std::size_t i = 0; i < n; ++i) p[i] = std::exp((x[i] - x[order[0]]) / o.temperature);
  const auto normalise = [&] {
    double sum = 0;
    for (const double v : p) sum += v;
    for (double& v : p) v /= sum;
  };
  normalise();
  for (std::size_t i = static_cast<std::size_t>(o.top_k); o.top_k > 0 && i < n; ++i)
    p[order[i]] = 0;
  normalise();
  double kept = 0;
  for (const std::size_t i : order) {
    const double before = kept;
    kept += p[i];
    if (o.top_p < 1 && before >= o.top_p) p[i] = 0;
  }
  normalise();
  const double least = o.min_p * p[order[0]];
  for (double& v : p) v = v < least ? 0 : v;
  normalise();
  return p;
}

void expect_same(const token_distribution& got, const std::vector<double>& wanted) {
  double sum = 0;
  for (std::size_t i = 0; i < got.tokens.size(); ++i) {
    REQUIRE(got.probabilities[i] > 0);
    REQUIRE(got.probabilities[i] ==
            Approx(wanted[static_cast<std::size_t>(got.tokens[i])]).epsilon(1e-9));
    sum += got.probabilities[i];
  }
  REQUIRE(sum == Approx(1).epsilon(1e-9));
  const auto positive = std::count_if(wanted.begin(), wanted.end(), [](double p) { return p > 0; });
  REQUIRE(got.tokens.size() == static_cast<std::size_t>(positive));
}

std::vector<float> random_logits(std::size_t n, std::uint64_t stream, float scale) {
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i)
    x[i] = scale * static_cast<float>(random_stream(5, stream).normal(i));
  return x;
}

}  // namespace

TEST_CASE("logits_processor: equal to the naive one, whatever the options") {
  logits_processor process;
  std::uint64_t stream = 0;
  for (const std::size_t n : {1u, 2u, 13u, 500u})
    for (const float scale : {0.1f, 2.0f, 12.0f})
      for (const double temperature : {0.0, 0.7, 1.5})
        for (const index_t top_k : {index_t{0}, index_t{1}, index_t{7}, index_t{1000}})
          for (const double top_p : {1.0, 0.9, 0.3})
            for (const double min_p : {0.0, 0.02, 0.5})
              for (const double penalty : {1.0, 1.3, 0.8}) {
                const sampler_options o{.repetition_penalty = penalty,
                                        .temperature = temperature,
                                        .top_k = top_k,
                                        .top_p = top_p,
                                        .min_p = min_p};
                const auto logits = random_logits(n, ++stream, scale);
                std::vector<std::int32_t> history;
                for (std::uint64_t i = 0; i < 6; ++i)
                  history.push_back(
                      static_cast<std::int32_t>(random_stream(6, stream).below(i, n)));
                INFO("n " << n << " scale " << scale << " temperature " << temperature << " top_k "
                          << top_k << " top_p " << top_p << " min_p " << min_p << " penalty "
                          << penalty);
                expect_same(process(o, std::span<const float>(logits), history),
                            naive(o, logits, history));
              }
}

TEST_CASE("logits_processor: a large vocabulary, peaked and flat") {
  logits_processor process;
  for (const float scale : {0.0f, 0.01f, 3.0f, 30.0f}) {
    const auto logits = random_logits(60'000, 7, scale);
    const sampler_options o{.top_p = 0.95 - 1e-6} /* not between two tokens */;
    const auto& p = process(o, std::span<const float>(logits));
    expect_same(p, naive(o, logits, {}));
    for (std::size_t i = 1; i < p.tokens.size(); ++i)
      REQUIRE((p.probabilities[i - 1] > p.probabilities[i] || p.tokens[i - 1] < p.tokens[i]));
  }
}

TEST_CASE(
    "logits_processor: the penalty counts a token once and pushes it down on both sides of 0") {
  const std::vector<double> logits = {2, -1, 2, -1};
  logits_processor process;
  const auto& p =
      process({.repetition_penalty = 2}, std::span<const double>(logits), std::vector{0, 1, 0, 0});
  CHECK(p(0) / p(2) == Approx(std::exp(-1.0)));  // 2 / 2
  CHECK(p(1) / p(3) == Approx(std::exp(-1.0)));  // -1 * 2
  const auto& greedy = process({.repetition_penalty = 2, .temperature = 0},
                               std::span<const double>(logits), std::vector{0});
  CHECK(greedy.tokens == std::vector{2});
}

TEST_CASE("logits_processor: min_p keeps what is likely beside the likeliest") {
  const std::vector<double> logits = {0, std::log(0.5), std::log(0.2), std::log(0.05)};
  logits_processor process;
  const auto kept = [&](const sampler_options& o) {
    return process(o, std::span<const double>(logits)).tokens.size();
  };
  CHECK(kept({.min_p = 0.04}) == 4);
  CHECK(kept({.min_p = 0.1}) == 3);
  CHECK(kept({.min_p = 0.4}) == 2);
  CHECK(kept({.min_p = 1}) == 1);
  CHECK(kept({.temperature = 2, .min_p = 0.4}) == 3);  // after the temperature
}

TEST_CASE("token_distribution: pick goes through the tokens in their order") {
  const token_distribution d{{7, 3, 5}, {0.5, 0.25, 0.25}};
  CHECK(d.pick(0) == 7);
  CHECK(d.pick(0.49) == 7);
  CHECK(d.pick(0.5) == 3);
  CHECK(d.pick(0.75) == 5);
  CHECK(d.pick(1 - 0x1p-53) == 5);
  CHECK(d(3) == 0.25);
  CHECK(d(4) == 0);
}

TEST_CASE("logits_processor: what underflows is no token, and never drawn") {
  const std::vector<float> logits = {-1e30f, 0, 0, -1e30f};
  logits_processor process;
  const auto& p = process({}, std::span<const float>(logits));
  CHECK(p.tokens == std::vector{1, 2});
  CHECK(p.pick(1 - 0x1p-53) == 2);
}

TEST_CASE("logits_processor: errors") {
  const std::vector<float> logits = {0, 1};
  const auto message = [&](const sampler_options& o) {
    return message_of([&] { expect_valid(o); });
  };
  CHECK(mentions(message({.repetition_penalty = 0}), "repetition penalty is 0", "above 0"));
  CHECK(mentions(message({.temperature = -1}), "temperature is -1"));
  CHECK(mentions(message({.temperature = std::nan("")}), "temperature is nan"));
  CHECK(mentions(message({.top_k = -2}), "top_k is -2"));
  CHECK(mentions(message({.top_p = 0}), "top_p is 0"));
  CHECK(mentions(message({.min_p = 1.5}), "min_p is 1.5", "0 to 1"));
  logits_processor process;
  CHECK(mentions(
      message_of([&] {
        process({.repetition_penalty = 2}, std::span<const float>(logits), std::vector{0, 2});
      }),
      "token 2", "0 to 1"));
  CHECK(mentions(
      message_of([&] { process({.repetition_penalty = 1.5}, std::span<const float>(logits)); }),
      "penalty of 1.5", "no history"));
  const std::vector<float> bad = {0, std::numeric_limits<float>::infinity()};
  CHECK(mentions(message_of([&] { process({}, std::span<const float>(bad)); }), "token 1 is inf"));
}
