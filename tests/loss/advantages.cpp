// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Advantages within groups: golden values, dead groups, ranks, the penalty on length, errors.

#include <limits>
#include <vector>

#include "battery/device.hpp"
#include "golden.hpp"

#include <dsr1/loss/advantages.hpp>

using namespace dsr1;

TEST_CASE("advantages: the values of the reference", "[golden]") {
  const auto path = golden::path("rl/grpo.safetensors");
  if (path.empty()) return;
  const safetensors file(path);
  const auto get = [&](const std::string& name) { return golden::numbers(file, name); };
  const auto rewards = get("rewards");
  const auto size = static_cast<index_t>(get("group_size").at(0));
  const std::pair<const char*, advantage_options> kinds[] = {
      {"std_unbiased", {}},
      {"std_biased", {.unbiased = false, .eps = 1e-6}},
      {"no_std", {.kind = advantage_kind::centered}},
      {"batch_std", {.kind = advantage_kind::batch_std}},
      {"leave_one_out", {.kind = advantage_kind::leave_one_out}}};
  for (const auto& kind : kinds) {
    const group_advantages a = advantages_of(rewards, size, kind.second);
    const std::string name = kind.first;
    battery::check_close(a.advantage, get("advantages/" + name), name);
    CHECK(std::vector<double>(a.dead.begin(), a.dead.end()) == get("advantages/zero_std_groups"));
  }
  const auto lengths = get("overlong/lengths"), penalty = get("overlong/penalty_max32_cache8");
  for (std::size_t i = 0; i < lengths.size(); ++i)
    CHECK(overlong_penalty(lengths[i], 32, 8) == Approx(penalty[i]));
}

TEST_CASE("advantages: equal rewards are a dead group, exactly zero") {
  const std::vector<double> rewards = {0.1, 0.1, 0.1, 1, 0, 0};
  for (const auto kind : {advantage_kind::group_std, advantage_kind::centered,
                          advantage_kind::batch_std, advantage_kind::leave_one_out}) {
    const group_advantages a = advantages_of(rewards, 3, {.kind = kind, .eps = 0});
    CHECK(a.dead_groups() == 1);
    CHECK(a.dead == std::vector<std::uint8_t>{1, 0});
    for (std::size_t i = 0; i < 3; ++i) CHECK(a.advantage[i] == 0);
    CHECK(a.advantage[3] + a.advantage[4] + a.advantage[5] == Approx(0).margin(1e-15));
    CHECK(a.advantage[3] > 0);
  }
}

TEST_CASE("advantages: with the moments of all ranks each rank has its part of the whole") {
  const auto rewards = battery::normals<double>(24, 1);
  const advantage_options options = {.kind = advantage_kind::batch_std};
  const group_advantages whole = advantages_of(rewards, 4, options);
  const auto parts = {std::span<const double>(rewards).first(8),
                      std::span<const double>(rewards).subspan(8)};
  moments all;
  for (const auto& part : parts) all += moments_of(part);
  std::vector<double> together;
  for (const auto& part : parts) {
    const auto a = advantages_of(part, 4, options, &all).advantage;
    together.insert(together.end(), a.begin(), a.end());
  }
  battery::check_close(together, whole.advantage, "by rank");
}

TEST_CASE("advantages: errors") {
  std::vector<double> rewards = {1, 0, 0, 1};
  CHECK(mentions(message_of([&] { advantages_of(rewards, 1); }), "groups of 1"));
  CHECK(mentions(message_of([&] { advantages_of(rewards, 3); }), "4 rewards", "multiple of 3"));
  CHECK(mentions(message_of([&] { advantages_of(rewards, 2, {.eps = -1}); }), "eps is -1"));
  rewards[2] = std::numeric_limits<double>::quiet_NaN();
  CHECK(mentions(message_of([&] { advantages_of(rewards, 2); }), "number 2 is", "nan"));
  CHECK(mentions(message_of([] { overlong_penalty(3, 8, 9); }), "at most 8 and a cache of 9"));
  CHECK(mentions(message_of([] { overlong_penalty(-1, 8, 2); }), "length of -1"));
}
