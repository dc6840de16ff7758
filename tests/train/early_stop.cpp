// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// When it is over, what was best, and that a restored watch goes on as if nothing had happened.

#include <limits>

#include "catch.hpp"

#include <dsr1/train/early_stop.hpp>

using namespace dsr1;

TEST_CASE("early_stop: over after `patience` evaluations without an improvement") {
  early_stop s({.patience = 2});
  CHECK(s.best_step() == -1);
  CHECK(s.add(10, 3.0));
  CHECK(s.add(20, 2.0));
  CHECK_FALSE(s.add(30, 2.0));  // equal is no improvement
  CHECK_FALSE(s.over());
  CHECK(s.add(40, 1.9));
  // [stop]
  CHECK_FALSE(s.add(50, 2.5));
  CHECK_FALSE(s.over());
  CHECK_FALSE(s.add(60, 1.95));
  CHECK(s.over());
  CHECK(s.best_step() == 40);
  // [/stop]
  CHECK(s.best() == 1.9);
  CHECK(s.without_improvement() == 2);
}

TEST_CASE("early_stop: an improvement is more than `least`, and patience 0 never ends") {
  early_stop s({.patience = 1, .least = 0.25});
  CHECK(s.add(1, 2.0));
  CHECK(s.add(2, 1.5));
  CHECK_FALSE(s.add(3, 1.25));
  CHECK(s.over());
  CHECK(s.best_step() == 2);

  early_stop never({.patience = 0});
  for (index_t i = 0; i < 100; ++i) never.add(i, static_cast<double>(i));
  CHECK_FALSE(never.over());
  CHECK(never.best_step() == 0);
}

TEST_CASE("early_stop: restored at any place it decides the same") {
  const double losses[] = {3, 2.5, 2.5000001, 0.1 + 0.2, 1, 0.9, 0.8, 0.7, 0.6};
  const early_stop_options options{.patience = 4, .least = 0.01};
  early_stop whole(options);
  for (index_t i = 0; i < 9; ++i) {
    early_stop other(options);
    other.restore({parse_json(whole.to_json().dump(), "state"), "state"});
    CHECK(other.to_json() == whole.to_json());
    CHECK(other.add(i, losses[i]) == whole.add(i, losses[i]));
    CHECK(other.over() == whole.over());
    CHECK(other.best_step() == whole.best_step());
  }
  CHECK(whole.over());
}

TEST_CASE("early_stop: what it refuses") {
  CHECK(mentions(message_of([] { early_stop({.patience = -1}); }), "patience is -1"));
  CHECK(mentions(message_of([] { early_stop({.least = -0.5}); }), "least is -0.5"));
  early_stop s;
  s.add(5, 1);
  CHECK(mentions(message_of([&] { s.add(5, 1); }), "step 5 after step 5"));
  CHECK(mentions(message_of([&] { s.add(6, std::numeric_limits<double>::quiet_NaN()); }),
                 "the loss of step 6 is nan"));
  json bad = s.to_json();
  bad["without"] = -1;
  CHECK(mentions(message_of([&] { s.restore({bad, "state.json"}); }), "state.json: \"without\""));
  bad.erase("best");
  bad["without"] = 0;
  CHECK(mentions(message_of([&] {
                   s.restore({bad, "state.json"});
                 }),
                 "state.json: \"best\" is missing"));
  CHECK(s.best() == 1);
}
