// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The coefficient of the KL penalty.

#include <limits>

#include "catch.hpp"

#include <dsr1/rl/kl_controller.hpp>

using namespace dsr1;

TEST_CASE("kl_controller: fixed without a target") {
  kl_controller c{.coefficient = 0.05};
  c.update(10, 1000);
  CHECK(c.coefficient == 0.05);
}

TEST_CASE("kl_controller: rises above the target, falls below, by a fifth of answers / horizon") {
  kl_controller c{.coefficient = 0.1, .target = 2, .horizon = 100};
  c.update(2, 10);
  CHECK(c.coefficient == Approx(0.1));
  c.update(2.2, 10);
  CHECK(c.coefficient == Approx(0.1 * 1.01));
  c.update(50, 10);
  CHECK(c.coefficient == Approx(0.1 * 1.01 * 1.02));
  c.update(0, 10);
  CHECK(c.coefficient == Approx(0.1 * 1.01 * 1.02 * 0.98));
}

TEST_CASE("kl_controller: finds the coefficient that holds the target") {
  kl_controller c{.coefficient = 0.001, .target = 0.5, .horizon = 1000};
  double kl = 0;
  for (int i = 0; i < 2000; ++i) {
    kl = 0.1 / (0.02 + c.coefficient);  // a policy whose KL falls with the price of it
    c.update(kl, 100);
  }
  CHECK(kl == Approx(0.5).margin(0.01));
}

TEST_CASE("kl_controller: numbers out of range") {
  kl_controller c{.coefficient = 0.1, .target = 1};
  CHECK(mentions(message_of([&] { c.update(std::numeric_limits<double>::quiet_NaN(), 1); }),
                 "the KL is nan", "finite"));
  c.horizon = 0;
  CHECK(mentions(message_of([&] { c.update(1, 1); }), "horizon 0"));
}
