// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Draws: even, repeatable, and of the split.

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "catch.hpp"

#include <dsr1/rl/problem_draw.hpp>

using namespace dsr1;

TEST_CASE("problem_draw: streams differ by seed, task, split and index") {
  const auto first = [](std::uint64_t seed, std::string_view task, split which, std::uint64_t i) {
    return problem_draw(seed, task, which, i).between(0, 1'000'000'000);
  };
  std::vector<std::int64_t> all;
  for (const std::uint64_t seed : {0, 1})
    for (const std::string_view task : {"a", "b"})
      for (const split which : {split::train, split::test})
        for (std::uint64_t i = 0; i < 10; ++i) {
          all.push_back(first(seed, task, which, i));
          CHECK(all.back() == first(seed, task, which, i));
        }
  std::sort(all.begin(), all.end());
  CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
}

TEST_CASE("problem_draw: choices are even") {
  problem_draw draw(0, "test", split::train, 0);
  std::vector<int> counts(5);
  for (int i = 0; i < 5000; ++i) ++counts[static_cast<std::size_t>(draw.between(-2, 2) + 2)];
  for (const int n : counts) CHECK(std::abs(n - 1000) < 150);
  int hits = 0;
  for (int i = 0; i < 4000; ++i) hits += draw.once_in(4);
  CHECK(std::abs(hits - 1000) < 150);
  std::vector<int> last(3);
  for (int i = 0; i < 3000; ++i) {
    std::vector<std::size_t> list = {0, 1, 2};
    draw.shuffle(list);
    ++last[list[2]];
    std::sort(list.begin(), list.end());
    CHECK(list == std::vector<std::size_t>{0, 1, 2});
  }
  for (const int n : last) CHECK(std::abs(n - 1000) < 150);
  const std::string letters = "xyz";
  CHECK(letters.find(draw.one_of(letters)) != std::string::npos);
}

TEST_CASE("problem_draw: candidates of the other split and empty ones are passed over") {
  struct problem {
    std::string key;
  };
  for (std::uint64_t i = 0; i < 200; ++i) {
    const auto p = draw_problem(0, "test", split::test, i, [](problem_draw& draw) {
      const std::int64_t n = draw.between(0, 1000);
      return n % 2 == 0 ? std::optional(problem{std::to_string(n)}) : std::nullopt;
    });
    CHECK(in_split(split::test, p.key));
    CHECK(std::stoi(p.key) % 2 == 0);
  }
  CHECK(message_of([] {
          draw_problem(0, "test", split::train, 0,
                       [](problem_draw&) { return std::optional<problem>(); });
        }) ==
        "test: no problem of the train split among 100000 candidates: the options leave too few");
}
