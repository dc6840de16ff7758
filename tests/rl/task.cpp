// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Levels and splits.

#include <string>

#include "catch.hpp"

#include <dsr1/rl/task.hpp>

using namespace dsr1;

namespace {

struct no_task {
  static constexpr std::string_view name = "none";
  struct problem {
    std::string prompt, solution;
  };
  problem sample(split, std::uint64_t) const { return {}; }
  bool verify(const problem&, std::string_view) const { return true; }
};
static_assert(!task<no_task>);
static_assert(!task<int>);

}  // namespace

TEST_CASE("task: levels are counted from below") {
  verdict v;
  CHECK(!v.reached_up_to(level::syntax));
  v.reached = {true, false, true};
  CHECK(v[level::task]);
  CHECK(!v[level::logic]);
  CHECK(v.reached_up_to(level::syntax));
  CHECK(!v.reached_up_to(level::logic));
  CHECK(!v.reached_up_to(level::task));
  v.reached = {true, true, true};
  CHECK(v.reached_up_to(level::task));
  CHECK(level_names[static_cast<std::size_t>(level::logic)] == "logic");
}

TEST_CASE("task: the reason of the first level that is missing is kept") {
  verdict v;
  v.set(level::syntax, true, 3, "not kept");
  v.set(level::logic, false, 2, "at ", 2);
  v.set(level::task, false, 1, "later");
  CHECK(v.why == "at 2");
  CHECK(v.reached == std::array<bool, 3>{true, false, false});
  CHECK(v.decided == std::array<index_t, 3>{3, 2, 1});
}

TEST_CASE("task: what a place decides") {
  CHECK(decided_at("abc", 0) == 1);
  CHECK(decided_at("abc", 2) == 3);
  CHECK(decided_at("abc", 3) == 3);
  CHECK(decided_at("abc", std::string::npos) == 3);
  CHECK(decided_at("", 0) == 0);
}

TEST_CASE("task: every key is of one split, about an eighth of the test split") {
  int kept_back = 0;
  for (int i = 0; i < 8000; ++i) {
    const std::string key = std::to_string(i) + "+" + std::to_string(i % 7);
    CHECK(in_split(split::train, key) != in_split(split::test, key));
    kept_back += in_split(split::test, key);
  }
  CHECK(std::abs(kept_back - 1000) < 100);
}
