// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Generalized advantage estimation: golden values, limits of lambda, skipped tokens, errors.

#include <limits>
#include <vector>

#include "battery/device.hpp"
#include "golden.hpp"

#include <dsr1/loss/gae.hpp>

using namespace dsr1;

namespace {

std::vector<std::uint8_t> bytes(const std::vector<double>& x) { return {x.begin(), x.end()}; }

/// Row r of [rows, columns].
template <class T>
std::span<const T> row(const std::vector<T>& x, std::size_t columns, std::size_t r) {
  return std::span<const T>(x).subspan(r * columns, columns);
}

struct results {
  std::vector<double> advantage, returns;
};
results run(const gae_tokens& tokens, const gae_options& options) {
  results out{std::vector<double>(tokens.rewards.size()),
              std::vector<double>(tokens.rewards.size())};
  gae(tokens, options, out.advantage, out.returns);
  return out;
}

}  // namespace

TEST_CASE("gae: the values of the reference, whitened too", "[golden]") {
  const auto path = golden::path("rl/gae.safetensors");
  if (path.empty()) return;
  const safetensors file(path);
  const auto get = [&](const std::string& name) { return golden::numbers(file, name); };
  const auto columns = static_cast<std::size_t>(file.at("mask").shape[1]);
  const auto rewards = get("rewards"), values = get("values"), bootstrap = get("bootstrap"),
             ends = get("truncation_values");
  const auto mask = bytes(get("mask")), done = bytes(get("done")), cut = bytes(get("truncated"));
  struct numbered {
    const char* name;
    gae_options options;
  };
  for (const numbered& n : {numbered{"g1.0_l0.95", {1, 0.95}},
                            numbered{"g0.99_l0.95", {0.99, 0.95}}, numbered{"g1.0_l1.0", {1, 1}},
                            numbered{"g0.9_l0.0", {0.9, 0}}, numbered{"g0.97_l0.5", {0.97, 0.5}}}) {
    std::vector<double> advantage, returns;
    moments all;
    for (std::size_t b = 0; b < bootstrap.size(); ++b) {
      const results r = run({.rewards = row(rewards, columns, b),
                             .values = row(values, columns, b),
                             .mask = row(mask, columns, b),
                             .done = row(done, columns, b),
                             .truncated = row(cut, columns, b),
                             .truncation_values = row(ends, columns, b),
                             .bootstrap = bootstrap[b]},
                            n.options);
      advantage.insert(advantage.end(), r.advantage.begin(), r.advantage.end());
      returns.insert(returns.end(), r.returns.begin(), r.returns.end());
      all += moments_of(r.advantage, row(mask, columns, b));
    }
    const std::string name = n.name;
    battery::check_close(advantage, get(name + "/advantages"), name);
    battery::check_close(returns, get(name + "/returns"), name + ", returns");
    for (const bool unbiased : {false, true}) {
      auto white = advantage;
      whiten(white, mask, all, {.unbiased = unbiased});
      battery::check_close(white, get(name + (unbiased ? "/whitened_unbiased" : "/whitened")),
                           name + ", whitened");
    }
  }
  const auto skip = bytes(get("skip/mask"));
  const auto earned = get("skip/rewards");
  std::vector<double> advantage, returns;
  for (std::size_t b = 0; b < bootstrap.size(); ++b) {
    const results r = run({.rewards = row(earned, columns, b),
                           .values = row(values, columns, b),
                           .mask = row(skip, columns, b)},
                          {0.99, 0.9});
    advantage.insert(advantage.end(), r.advantage.begin(), r.advantage.end());
    returns.insert(returns.end(), r.returns.begin(), r.returns.end());
  }
  battery::check_close(advantage, get("skip/advantages_g0.99_l0.9"), "skipped tokens");
  battery::check_close(returns, get("skip/returns_g0.99_l0.9"), "skipped tokens, returns");
}

TEST_CASE("gae: lambda 1 is the sum of rewards, lambda 0 one step") {
  const auto rewards = battery::normals<double>(9, 1), values = battery::normals<double>(9, 2);
  const gae_tokens tokens = {.rewards = rewards, .values = values, .bootstrap = 0.5};
  const results all = run(tokens, {1, 1}), one = run(tokens, {0.9, 0});
  double rest = 0.5;
  for (std::size_t t = 9; t-- > 0;) {
    rest += rewards[t];
    CHECK(all.returns[t] == Approx(rest));
    CHECK(one.advantage[t] ==
          Approx(rewards[t] + 0.9 * (t == 8 ? 0.5 : values[t + 1]) - values[t]));
  }
}

TEST_CASE("gae: tokens that do not count change nothing of the others") {
  const auto rewards = battery::normals<double>(6, 1), values = battery::normals<double>(6, 2);
  const results plain = run({.rewards = rewards, .values = values, .bootstrap = 2}, {0.9, 0.8});
  std::vector<double> r, v;
  std::vector<std::uint8_t> mask;
  for (std::size_t t = 0; t < 6; ++t)
    for (const bool real : {true, false}) {
      r.push_back(real ? rewards[t] : 0);
      v.push_back(real ? values[t] : std::numeric_limits<double>::quiet_NaN());  // never read
      mask.push_back(real);
    }
  const results wide = run({.rewards = r, .values = v, .mask = mask, .bootstrap = 2}, {0.9, 0.8});
  for (std::size_t t = 0; t < 6; ++t) {
    CHECK(wide.advantage[2 * t] == plain.advantage[t]);
    CHECK(wide.returns[2 * t] == plain.returns[t]);
    CHECK(wide.advantage[2 * t + 1] == 0);
    CHECK(wide.returns[2 * t + 1] == 0);
  }
}

TEST_CASE("gae: errors") {
  std::vector<double> r = {0, 1}, v = {0, 0}, three = {0, 0, 0}, out(2);
  const std::vector<std::uint8_t> second = {0, 1};
  const auto message = [&](const gae_tokens& tokens, const gae_options& options = {}) {
    return message_of([&] { gae(tokens, options, out, out); });
  };
  CHECK(mentions(message({.rewards = r, .values = three}), "3 values, expected 2"));
  CHECK(mentions(message({.rewards = r, .values = v, .truncated = second}),
                 "0 truncation values, expected 2"));
  CHECK(mentions(message_of([&] { gae({.rewards = r, .values = v}, {}, three, out); }),
                 "3 advantages, expected 2"));
  CHECK(mentions(message_of([&] { gae({.rewards = r, .values = v}, {}, out, three); }),
                 "3 returns, expected 2"));
  CHECK(mentions(message({.rewards = r, .values = v}, {.gamma = 1.5}), "gamma is 1.5"));
  CHECK(mentions(message({.rewards = r, .values = v}, {.lambda = -1}), "lambda -1"));
  const std::vector<std::uint8_t> first = {1, 0};
  CHECK(mentions(message({.rewards = r, .values = v, .mask = first}), "token 1 does not count",
                 "reward is 1"));
  CHECK(mentions(
      message(
          {.rewards = r, .values = v, .done = second, .truncated = second, .truncation_values = v}),
      "token 1 is done and truncated"));
  CHECK(mentions(message({.rewards = r, .values = v, .bootstrap = HUGE_VAL}),
                 "bootstrap value is inf"));
  v[0] = std::numeric_limits<double>::quiet_NaN();
  CHECK(mentions(message({.rewards = r, .values = v}), "at token 0", "the value nan"));
}
