// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A throttled group: the arithmetic under a clock of the test's own, and unchanged results.

#include <vector>

#include "battery/communicator.hpp"
#include "catch.hpp"

#include <dsr1/comm/threads.hpp>
#include <dsr1/comm/throttled.hpp>

using namespace dsr1;

namespace {

/// Time passes only by sleeping.
struct test_clock final : link_clock {
  double time = 100;
  double now() override { return time; }
  void sleep_until(double moment) override { time = std::max(time, moment); }
};

}  // namespace

TEST_CASE("throttled: a message takes bytes * 8 / bandwidth from when the link is free") {
  throttled_link link({.bits_per_second = 1e6, .latency = 0.25});
  CHECK(link.book(10, 125'000) == Approx(11.25));   // 1 Mbit, and the latency
  CHECK(link.book(10.5, 12'500) == Approx(11.35));  // after the first, which takes it until 11
  CHECK(link.book(50, 0) == Approx(50.25));
  throttled_link fast({.latency = 1e-3});
  CHECK(fast.book(1, 1'000'000'000) == Approx(1.001));
}

TEST_CASE("throttled: an exchange waits for the larger of what is sent and received") {
  run_ranks(2, [](rank_group& group) {
    const auto clock = std::make_shared<test_clock>();
    const auto link =
        std::make_shared<throttled_link>(link_speed{.bits_per_second = 8e6, .latency = 0.5}, clock);
    rank_group slow = throttle(group.duplicate(), link);
    const auto expect_time = [&](double t) {
      expects(std::abs(clock->time - t) < 1e-9, "it is ", clock->time, ", expected ", t);
    };
    // Rank 0 sends 3 MB and receives 1 MB; rank 1 the other way round: 3 s at 1 MB/s for both.
    const bool first = group.rank() == 0;
    const std::vector<std::byte> in(first ? 3'000'000 : 1'000'000);
    std::vector<std::byte> out(first ? 1'000'000 : 3'000'000);
    const index_t zero[] = {0, 3'000'000}, one[] = {1'000'000, 0}, to_zero[] = {0, 1'000'000},
                  to_one[] = {3'000'000, 0};
    slow.all_to_all_v(battery::all_of(in), first ? zero : one, battery::all_of(out),
                      first ? to_zero : to_one);
    expect_time(103.5);
    slow.barrier();
    expect_time(104);
    // Another group on the same link; its making took one exchange of 8 bytes.
    rank_group other = throttle(group.duplicate(), link);
    rank_group made = slow.duplicate();
    expect_time(104.5 + 8e-6);
    std::vector<float> v(500'000, 1);  // 2 MB, of which a half is sent, twice
    made.all_reduce(battery::all_of(v));
    expect_time(107.5 + 8e-6);
    other.all_reduce(battery::all_of(v));
    expect_time(110.5 + 8e-6);
    for (const float x : v) expects(x == 4, x);
  });
}

TEST_CASE("communicator battery: throttled threads") {
  run_ranks(3, [](rank_group& group) {
    // [throttle]
    // A link of 1 Tbit/s that takes a microsecond.
    rank_group slow = throttle(group.duplicate(), {.bits_per_second = 1e12, .latency = 1e-6});
    // [/throttle]
    battery::communicator(slow);
    rank_group fast = throttle(rank_group(), {.bits_per_second = 1});
    battery::all_reduce<float>(fast, 1000);  // alone, it sends nothing
  });
}

TEST_CASE("throttled: abandoned, it does not sleep to the end") {
  CHECK(message_of([] {
          run_ranks(2, [](rank_group& group) {
            rank_group slow = throttle(group.duplicate(), {.latency = 1e6});
            std::thread other([&] { slow.abandon("enough"); });
            try {
              slow.barrier();
            } catch (const error&) {
              other.join();
              throw;
            }
            other.join();
            slow.barrier();
          });
        }) == "enough");
}

TEST_CASE("throttled: a link must have a bandwidth, and no negative latency") {
  CHECK(message_of([] { throttled_link({.bits_per_second = 0}); }) ==
        "a link of 0 bits per second, expected more than 0");
  CHECK(message_of([] { throttled_link({.latency = -1}); }) ==
        "a latency of -1 s, expected at least 0");
}
