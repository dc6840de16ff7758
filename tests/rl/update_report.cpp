// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The numbers of a report.

#include <map>

#include "catch.hpp"

#include <dsr1/rl/update_report.hpp>

using namespace dsr1;

TEST_CASE("update_report: every number once, by name") {
  update_report r;
  r.answers = 7;
  r.reached = {0.5, 0.25, 0.125};
  r.skipped = true;
  std::map<std::string, double> found;
  for (const auto& number : r.numbers()) CHECK(found.insert(number).second);
  CHECK(found.at("answers") == 7);
  CHECK(found.at("reached_syntax") == 0.5);
  CHECK(found.at("reached_task") == 0.125);
  CHECK(found.at("skipped") == 1);
  for (const char* name : {"kl", "entropy", "ratio", "ratio_variance", "clipped", "hacking",
                           "explained_variance", "dead_groups", "length", "cut", "reward"})
    CHECK(found.count(name) == 1);
}
