// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Counts add up by purpose and by operation.

#include "catch.hpp"

#include <dsr1/comm/traffic.hpp>

using namespace dsr1;

TEST_CASE("traffic: counts are kept apart by purpose and operation, and add up") {
  traffic t;
  t.at(purpose::gradient, operation::all_reduce) +=
      {.calls = 1, .sent = 10, .received = 20, .seconds = 0.5};
  t.at(purpose::gradient, operation::all_gather) +=
      {.calls = 2, .sent = 1, .received = 2, .seconds = 0.25};
  t.at(purpose::dispatch, operation::all_to_all) +=
      {.calls = 3, .sent = 100, .received = 200, .seconds = 1};
  CHECK(t.total(purpose::gradient).calls == 3);
  CHECK(t.total(purpose::gradient).sent == 11);
  CHECK(t.total(purpose::gradient).received == 22);
  CHECK(t.total(purpose::gradient).seconds == 0.75);
  CHECK(t.total(purpose::weights).calls == 0);
  CHECK(t.total().sent == 111);
  traffic twice = t;
  twice += t;
  CHECK(twice.total().received == 444);
  CHECK(twice.at(purpose::dispatch, operation::all_to_all).calls == 6);
}

TEST_CASE("traffic: every operation and purpose has a name") {
  CHECK(name_of(operation::barrier) == "barrier");
  CHECK(name_of(operation::all_to_all) == "all_to_all");
  CHECK(name_of(purpose::control) == "control");
  CHECK(name_of(purpose::combine) == "combine");
}
