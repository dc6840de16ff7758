// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What an objective is, and statistics that add up.

#include "catch.hpp"

#include <dsr1/loss/policy_tokens.hpp>

using namespace dsr1;

namespace {

struct constant {
  double operator()(const policy_tokens&, std::span<double>, policy_statistics&) const { return 0; }
};
struct not_const {
  double operator()(const policy_tokens&, std::span<double>, policy_statistics&) { return 0; }
};
struct integer {
  int operator()(const policy_tokens&, std::span<double>, policy_statistics&) const { return 0; }
};

static_assert(policy_objective<constant>);
static_assert(!policy_objective<not_const>);
static_assert(!policy_objective<integer>);

}  // namespace

TEST_CASE("policy_tokens: every sum of the statistics is added") {
  policy_statistics a{1, 2, 3, 4, 5, 6, 7};
  const policy_statistics b{10, 20, 30, 40, 50, 60, 70};
  a += b;
  CHECK(a.tokens == 11);
  CHECK(a.ratio == 22);
  CHECK(a.ratio_squared == 33);
  CHECK(a.clipped == 44);
  CHECK(a.divergence == 55);
  CHECK(a.entropy == 66);
  CHECK(a.change == 77);
}

TEST_CASE("policy_tokens: there are as many as log-probabilities") {
  const double three[] = {0, 0, 0};
  CHECK(policy_tokens{.answers = {},
                      .log_probability = three,
                      .before = {},
                      .reference = {},
                      .advantage = {},
                      .weight = {}}
            .size() == 3);
}
