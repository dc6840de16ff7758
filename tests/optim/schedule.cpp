// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Schedules against the published ones, at their corners, and when they make no sense.

#include "catch.hpp"
#include "golden.hpp"

#include <dsr1/io/json.hpp>
#include <dsr1/optim/schedule.hpp>

using namespace dsr1;

TEST_CASE("schedule: the multipliers of the reference implementations", "[golden]") {
  const auto path = golden::path("optim/schedules.json");
  if (path.empty()) return;
  const auto all = json_object::read(path).object("schedules");
  schedule s{.warmup = all.get<index_t>("warmup"),
             .total = all.get<index_t>("total"),
             .decay = all.get<index_t>("decay"),
             .half_life = 4};
  const auto check = [&](const std::string& name, schedule_shape shape, double smallest = 0,
                         warmup_from from = warmup_from::zero) {
    s.shape = shape;
    s.smallest = smallest;
    s.from = from;
    const auto expected = all.object("multipliers").get<std::vector<double>>(name);
    REQUIRE(expected.size() > 60);
    for (std::size_t t = 0; t < expected.size(); ++t) {
      INFO(name << " at " << t);
      CHECK(s(static_cast<index_t>(t)) == Approx(expected[t]).epsilon(1e-12).margin(1e-15));
    }
  };
  check("cosine", schedule_shape::cosine);
  check("cosine_min0p1", schedule_shape::cosine, 0.1);
  check("cosine_warmup_from_one", schedule_shape::cosine, 0, warmup_from::one);
  check("linear", schedule_shape::linear);
  check("wsd_linear", schedule_shape::wsd_linear);
  check("wsd_sqrt", schedule_shape::wsd_sqrt);
  check("wsd_exp", schedule_shape::wsd_exponential);
  check("inverse_sqrt", schedule_shape::inverse_sqrt);
}

TEST_CASE("schedule: both ways to warm up") {
  schedule s{.shape = schedule_shape::constant, .warmup = 4};
  CHECK(s(0) == 0.25);
  CHECK(s(3) == 1);
  CHECK(s(1000) == 1);
  s.from = warmup_from::zero;
  CHECK(s(0) == 0);
  CHECK(s(3) == 0.75);
  CHECK(s(4) == 1);
  CHECK(schedule{.shape = schedule_shape::constant}(0) == 1);
}

TEST_CASE("schedule: where each begins and ends") {
  for (const schedule_shape shape : {schedule_shape::linear, schedule_shape::cosine,
                                     schedule_shape::wsd_linear, schedule_shape::wsd_sqrt}) {
    const schedule s{.shape = shape, .warmup = 10, .total = 100, .decay = 30, .smallest = 0.1};
    CHECK(s(10) == 1);
    CHECK(s(100) == Approx(0.1));
    CHECK(s(100'000) == Approx(0.1));
    double last = 1;
    for (index_t t = 10; t < 120; ++t) {
      CHECK(s(t) <= last);
      last = s(t);
    }
  }
  const schedule wsd{.shape = schedule_shape::wsd_linear, .warmup = 10, .total = 100, .decay = 30};
  CHECK(wsd(70) == 1);
  CHECK(wsd(71) < 1);
  const schedule exponential{.shape = schedule_shape::wsd_exponential,
                             .total = 10,
                             .decay = 5,
                             .smallest = 0.2,
                             .half_life = 1};
  CHECK(exponential(6) == 0.5);
  CHECK(exponential(9) == 0.2);
  const schedule root{.shape = schedule_shape::inverse_sqrt, .warmup = 4, .smallest = 0.1};
  CHECK(root(16) == 0.5);
  CHECK(root(1'000'000) == 0.1);
}

TEST_CASE("schedule: nothing but warm-up, nothing to decay") {
  const schedule warm{.shape = schedule_shape::cosine, .warmup = 5, .total = 5};
  CHECK(warm(4) == 1);
  CHECK(warm(5) == 0);
  const schedule flat{.shape = schedule_shape::wsd_linear, .total = 5};
  CHECK(flat(4) == 1);
  CHECK(flat(5) == 0);
}

TEST_CASE("schedule: numbers that make no sense are named") {
  const auto message = [](const schedule& s, index_t t = 0) { return message_of([&] { s(t); }); };
  CHECK(mentions(message({.warmup = -1}), "warmup is -1"));
  CHECK(mentions(message({.warmup = 10, .total = 9}), "total is 9", "warm-up of 10"));
  CHECK(mentions(message({.total = 0}), "total is 0"));
  CHECK(mentions(message({.smallest = 1.5}), "smallest is 1.5, expected 0 to 1"));
  CHECK(
      mentions(message({.shape = schedule_shape::wsd_sqrt, .warmup = 10, .total = 20, .decay = 11}),
               "decay is 11, expected 0 to 10"));
  CHECK(mentions(message({.shape = schedule_shape::wsd_exponential, .half_life = 0}),
                 "half_life is 0"));
  CHECK(mentions(message({}, -1), "step -1"));
}
