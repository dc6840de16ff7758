// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The critic's loss: golden values and gradients, derivatives, errors.

#include <limits>
#include <vector>

#include "loss/golden_rl.hpp"

#include <dsr1/loss/value_loss.hpp>

using namespace dsr1;

TEST_CASE("value_loss: losses and gradients of the reference", "[golden]") {
  const auto path = golden::path("rl/ppo.safetensors");
  if (path.empty()) return;
  const golden::answers_file file(path);
  const auto value = file.real("values"), before = file.real("old_values"),
             returns = file.real("returns");
  const double tokens = static_cast<double>(file.tokens());
  const auto weight = file.weights({});
  const std::pair<const char*, double> cases[] = {
      {"value_clip0.2", 0.2}, {"value_clip0.5", 0.5}, {"value_clipNone", 0}};
  for (const auto& one : cases) {
    std::vector<double> slope(value.size());
    value_statistics statistics;
    const double loss =
        clipped_value_loss{.clip = one.second}({value, before, returns, weight}, slope, statistics);
    const std::string name = one.first;
    CHECK(loss / tokens == Approx(file.number(name + "/loss")).epsilon(1e-12));
    battery::check_close(golden::scaled(slope, 1 / tokens), file.real(name + "/grad_values"), name);
    CHECK(statistics.tokens == tokens);
  }
}

TEST_CASE("value_loss: slopes by finite differences, and what is counted") {
  auto value = battery::normals<double>(20, 1);
  const auto before = battery::normals<double>(20, 2), returns = battery::normals<double>(20, 3);
  auto weight = battery::normals<double>(20, 4);
  weight[7] = 0;
  std::vector<double> slope(20), unused(20);
  value_statistics statistics, other;
  const clipped_value_loss f{.clip = 0.5};
  const auto loss = [&] { return f({value, before, returns, weight}, unused, other); };
  f({value, before, returns, weight}, slope, statistics);
  for (std::size_t t = 0; t < 20; ++t) {
    const double kept = value[t], step = 1e-6;
    value[t] = kept + step;
    const double above = loss();
    value[t] = kept - step;
    const double below = loss();
    value[t] = kept;
    CHECK(slope[t] == Approx((above - below) / (2 * step)).margin(1e-8));
  }
  CHECK(slope[7] == 0);
  CHECK(statistics.tokens == 19);
  CHECK(statistics.clipped > 0);
  CHECK(statistics.clipped < 19);
  value_statistics twice = statistics;
  twice += statistics;
  CHECK(twice.square == 2 * statistics.square);
  CHECK(twice.clipped == 2 * statistics.clipped);
  CHECK(twice.tokens == 38);
}

TEST_CASE("value_loss: errors") {
  std::vector<double> two(2, 1), three(3, 1), none;
  value_statistics statistics;
  const auto message = [&](const value_tokens& tokens, std::span<double> slope, double clip = 0.2) {
    return message_of([&] { clipped_value_loss{.clip = clip}(tokens, slope, statistics); });
  };
  CHECK(mentions(message({two, two, two, two}, two, -1), "clip is -1"));
  CHECK(mentions(message({two, none, two, two}, two), "0 values before, expected 2"));
  CHECK(mentions(message({two, two, three, two}, two), "3 returns", "expected 2"));
  CHECK(mentions(message({two, two, two, three}, two), "3 weights", "expected 2"));
  CHECK(mentions(message({two, two, two, two}, three), "3 slopes", "expected 2"));
  std::vector<double> slope(2);
  CHECK(clipped_value_loss{.clip = 0}({two, none, two, two}, slope, statistics) == 0);
  std::vector<double> value = {1, std::numeric_limits<double>::infinity()};
  CHECK(mentions(message({value, two, two, two}, slope), "at token 1 the value is inf"));
}
