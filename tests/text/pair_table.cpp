// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The table of pairs, beside std::map.

#include <map>
#include <random>

#include "catch.hpp"

#include <dsr1/text/pair_table.hpp>

using namespace dsr1;

TEST_CASE("pair_table: finds what was put in, and nothing else") {
  pair_table table;
  std::map<std::pair<std::int32_t, std::int32_t>, std::int32_t> wanted;
  std::mt19937 random(1);
  for (std::int32_t i = 0; i < 20'000; ++i) {
    const auto left = static_cast<std::int32_t>(random() % 300),
               right = static_cast<std::int32_t>(random() % 300);
    table.set({left, right, i, i + 1});
    wanted[{left, right}] = i;
  }
  CHECK(table.size() == wanted.size());
  for (std::int32_t left = 0; left < 310; ++left) {
    for (std::int32_t right = 0; right < 310; ++right) {
      const auto* e = table.find(left, right);
      const auto it = wanted.find({left, right});
      if ((e != nullptr) != (it != wanted.end())) FAIL(left << " " << right);
      if (e && (e->rank != it->second || e->id != e->rank + 1)) FAIL(left << " " << right);
    }
  }
  CHECK(pair_table().find(0, 0) == nullptr);
  CHECK(pair_table(1000).size() == 0);
}
