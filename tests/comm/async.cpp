// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Handles: order, errors, and an end while something is pending.

#include <atomic>
#include <thread>
#include <vector>

#include "battery/communicator.hpp"
#include "catch.hpp"

#include <dsr1/comm/async.hpp>
#include <dsr1/comm/loopback.hpp>
#include <dsr1/comm/threads.hpp>

using namespace dsr1;
using battery::all_of;

TEST_CASE("async: operations run in the order in which they were started") {
  std::vector<int> order;
  {
    async side{loopback()};
    for (int i = 0; i < 100; ++i) side.start([&order, i](loopback&) { order.push_back(i); });
  }  // waits for all
  REQUIRE(order.size() == 100);
  for (int i = 0; i < 100; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("async: an operation is not done before it has run, and its time is counted") {
  std::atomic<bool> go = false;
  async side{loopback()};
  const handle h = side.start([&](loopback&) {
    while (!go) std::this_thread::yield();
  });
  CHECK_FALSE(h.done());
  go = true;
  h.wait();
  CHECK(h.done());
  CHECK(side.seconds() >= 0);
}

TEST_CASE("async: after an error nothing is run, and every handle throws it") {
  bool ran = false;
  async side{loopback()};
  const handle before = side.start([](loopback&) {});
  const handle bad = side.start([](loopback& c) { c.broadcast(view<float, 1>(), 3); });
  const handle after = side.start([&](loopback&) { ran = true; });
  before.wait();
  CHECK(message_of([&] { bad.wait(); }) == "broadcast from rank 3 of 1");
  CHECK(message_of([&] { after.wait(); }) == "broadcast from rank 3 of 1");
  CHECK(message_of([&] { bad.wait(); }) == "broadcast from rank 3 of 1");
  CHECK_FALSE(ran);
}

TEST_CASE("async: a rank that throws while its operations are pending does not wait for them") {
  std::atomic<int> ended = 0;
  const auto run = [&] {
    run_ranks(3, [&](rank_group& group) {
      struct at_end {
        std::atomic<int>& n;
        ~at_end() { ++n; }
      } const count{ended};
      std::vector<float> v(10'000, 1);
      async side(group.duplicate());
      const handle h = side.start([&](rank_group& c) { c.all_reduce(all_of(v)); });
      if (group.rank() == 1) {
        h.wait();
        throw std::runtime_error("lost");
      }
      const handle never = side.start([&](rank_group& c) { c.all_reduce(all_of(v)); });
      h.wait();
      if (group.rank() == 2) throw std::runtime_error("lost");  // while `never` is running
      never.wait();
    });
  };
  CHECK_THROWS(run());
  CHECK(ended == 3);
}

TEST_CASE("async: two groups of the same ranks, each in its own order") {
  run_ranks(4, [](rank_group& group) {
    async first(group.duplicate()), second(group.duplicate());
    std::vector<std::vector<float>> v(20);
    std::vector<handle> started;
    for (std::size_t i = 0; i < v.size(); ++i) {
      v[i] = battery::numbers<float>(group.rank(), static_cast<index_t>(500 * i), 9);
      const auto add = [&x = v[i]](rank_group& c) { c.all_reduce(all_of(x)); };
      started.push_back(i % 2 == 0 ? first.start(add) : second.start(add));
    }
    for (std::size_t i = v.size(); i-- > 0;) {
      started[i].wait();
      battery::expect_same(
          v[i], battery::reduced<float>(4, static_cast<index_t>(500 * i), 9, reduction::sum),
          "all_reduce of one of two groups");
    }
  });
}
