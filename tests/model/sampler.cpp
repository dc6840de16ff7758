// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Sampling: frequencies, truncation, reproducibility, errors.

#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"

#include <dsr1/model/sampler.hpp>

using namespace dsr1;

namespace {

const std::vector<float> logits = {0, std::log(2.0f), std::log(4.0f), std::log(1.0f)};

std::vector<double> frequencies(sampler_options options, int draws = 40'000) {
  options.seed = 7;
  sampler draw(options);
  std::vector<double> f(logits.size());
  for (int i = 0; i < draws; ++i)
    f[static_cast<std::size_t>(draw(std::span<const float>(logits)))] += 1.0 / draws;
  return f;
}

}  // namespace

TEST_CASE("sampler: frequencies follow the softmax") {
  const auto f = frequencies({});
  CHECK(f[0] == Approx(1.0 / 8).margin(0.01));
  CHECK(f[1] == Approx(2.0 / 8).margin(0.01));
  CHECK(f[2] == Approx(4.0 / 8).margin(0.01));
  CHECK(f[3] == Approx(1.0 / 8).margin(0.01));
  const auto hot = frequencies({.temperature = 2});
  CHECK(hot[2] == Approx(2 / (2 + std::sqrt(2.0) + 2)).margin(0.01));
}

TEST_CASE("sampler: greedy, top_k and top_p") {
  CHECK(frequencies({.temperature = 0})[2] == Approx(1));
  CHECK(frequencies({.top_k = 1})[2] == Approx(1));
  const auto two = frequencies({.top_k = 2});
  CHECK(two[0] + two[3] == 0);
  CHECK(two[2] == Approx(2.0 / 3).margin(0.01));
  CHECK(frequencies({.top_p = 0.5})[2] == Approx(1));  // the first alone reaches 0.5
  const auto p = frequencies({.top_p = 0.51});
  CHECK(p[0] + p[3] == 0);
  CHECK(p[1] == Approx(1.0 / 3).margin(0.01));
}

TEST_CASE("sampler: the seed decides, ties go to the lowest id") {
  sampler a({.seed = 1}), b({.seed = 1}), c({.seed = 2});
  int same = 0;
  for (int i = 0; i < 100; ++i) {
    const auto x = a(std::span<const float>(logits));
    CHECK(x == b(std::span<const float>(logits)));
    same += x == c(std::span<const float>(logits));
  }
  CHECK(same < 80);
  CHECK(a.drawn() == 100);
  const std::vector<double> flat(5, 1.0);
  CHECK(sampler({.temperature = 0})(std::span<const double>(flat)) == 0);
  CHECK(sampler({.top_k = 1})(std::span<const double>(flat)) == 0);
}

TEST_CASE("sampler: probabilities are those that it draws from, and draw nothing") {
  const sampler_options o{.temperature = 0.8, .top_k = 3, .min_p = 0.05, .seed = 4};
  sampler draw(o), other(o);
  const random_stream numbers = sampling_stream(o);
  for (std::uint64_t i = 0; i < 50; ++i) {
    const token_distribution p = draw.probabilities(std::span<const float>(logits));
    CHECK(p.tokens.size() == 3);
    CHECK(draw.drawn() == i);
    const auto token = draw(std::span<const float>(logits));
    CHECK(token == p.pick(numbers.uniform(i)));
    CHECK(token == other(std::span<const float>(logits)));
  }
}

TEST_CASE("sampler: what is drawn without a list is what the list has") {
  for (const double temperature : {0.0, 0.01, 1.0, 30.0}) {
    std::vector<float> wide(1000);
    const random_stream some(7);
    for (std::size_t i = 0; i < wide.size(); ++i)
      wide[i] = i % 3 == 0 ? -1e5f : static_cast<float>(some.normal(i));
    const sampler_options o{.temperature = temperature, .seed = 9};
    logits_processor process;
    std::vector<double> places = {0, 0.5, 1 - 0x1p-53};
    for (std::uint64_t i = 0; i < 500; ++i) places.push_back(sampling_stream(o).uniform(i));
    for (const double u : places)
      REQUIRE(process.draw(o, std::span<const float>(wide), {}, u) ==
              process(o, std::span<const float>(wide)).pick(u));
  }
}

TEST_CASE("sampler: the history weighs on what was said") {
  sampler draw({.repetition_penalty = 100, .temperature = 0});
  CHECK(draw(std::span<const float>(logits), std::vector{0}) == 2);
  CHECK(draw(std::span<const float>(logits), std::vector{2}) == 1);
  CHECK(draw(std::span<const float>(logits), std::vector{1, 2, 2}) == 2);
}

TEST_CASE("sampler: errors") {
  CHECK(mentions(message_of([] { sampler({.temperature = -1}); }), "temperature is -1"));
  CHECK(mentions(message_of([] { sampler({.top_k = -2}); }), "top_k is -2"));
  CHECK(mentions(message_of([] { sampler({.top_p = 0}); }), "top_p is 0"));
  CHECK(mentions(message_of([] { sampler({.top_p = 1.5}); }), "top_p is 1.5"));
  const std::vector<float> bad = {0, std::numeric_limits<float>::quiet_NaN()};
  CHECK(mentions(message_of([&] { sampler()(std::span<const float>(bad)); }), "token 1 is nan"));
  CHECK(mentions(message_of([] { sampler()(std::span<const float>()); }), "no logits"));
}
