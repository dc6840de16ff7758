// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The pool: every task once, exceptions, nesting, many small runs, several pools.

#include <atomic>
#include <chrono>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"

#include <dsr1/cpu/thread_pool.hpp>

using namespace dsr1;

namespace {

/// Runs `tasks` tasks and returns how often each one ran.
std::vector<int> counts(thread_pool& pool, index_t tasks) {
  std::vector<std::atomic<int>> seen(static_cast<std::size_t>(tasks));
  std::atomic<bool> in_range = true;
  pool.run(tasks, [&](index_t task, int worker) {
    ++seen[static_cast<std::size_t>(task)];
    if (worker < 0 || worker >= pool.size()) in_range = false;
  });
  CHECK(in_range);
  return {seen.begin(), seen.end()};
}

}  // namespace

TEST_CASE("thread_pool: every task runs once, on a worker of the pool") {
  for (const int threads : {1, 2, 3, 5, 9}) {
    thread_pool pool(threads);
    CHECK(pool.size() == threads);
    for (const index_t tasks : {0, 1, 2, 3, 7, 64, 1000}) {
      const auto seen = counts(pool, tasks);
      CHECK(std::count(seen.begin(), seen.end(), 1) == tasks);
    }
  }
  CHECK(thread_pool().size() == std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
}

TEST_CASE("thread_pool: none or fewer tasks run nothing") {
  thread_pool pool(2);
  int calls = 0;
  pool.run(0, [&](index_t, int) { ++calls; });
  pool.run(-5, [&](index_t, int) { ++calls; });
  CHECK(calls == 0);
}

TEST_CASE("thread_pool: a worker runs one task at a time, so scratch may belong to workers") {
  thread_pool pool(4);
  std::vector<int> busy(4), done(4);  // not atomic: a race here is a failure under TSan
  for (int round = 0; round < 50; ++round)
    pool.run(64, [&](index_t, int worker) {
      const auto w = static_cast<std::size_t>(worker);
      if (busy[w]++ != 0) throw error("two tasks of one worker at a time");
      ++done[w];
      --busy[w];
    });
  CHECK(std::accumulate(done.begin(), done.end(), 0) == 50 * 64);
}

TEST_CASE("thread_pool: what tasks write is there when run returns") {
  thread_pool pool(3);
  std::vector<long> out(500);
  for (int round = 0; round < 200; ++round) {
    pool.run(500, [&](index_t task, int) { out[static_cast<std::size_t>(task)] += task; });
    CHECK(std::accumulate(out.begin(), out.end(), 0L) == (round + 1) * 124'750L);
  }
}

TEST_CASE("thread_pool: many tiny runs one after the other") {
  thread_pool pool(2);
  long sum = 0;
  std::vector<long> part(3);
  for (int run = 0; run < 100'000; ++run) {
    pool.run(3, [&](index_t task, int) { part[static_cast<std::size_t>(task)] = task + run; });
    sum += part[0] + part[1] + part[2];
  }
  CHECK(sum == 3L * 100'000 * 99'999 / 2 + 3L * 100'000);
}

TEST_CASE("thread_pool: an exception reaches the caller, and the pool works on") {
  for (const int threads : {1, 2, 5}) {
    thread_pool pool(threads);
    for (const index_t bad : {0, 1, 17, 99}) {
      const auto fail = [&](index_t task, int) { expects(task != bad, "task ", task, " failed"); };
      CHECK(message_of([&] { pool.run(100, fail); }) == text("task ", bad, " failed"));
      const auto seen = counts(pool, 50);
      CHECK(std::count(seen.begin(), seen.end(), 1) == 50);
    }
  }
}

TEST_CASE("thread_pool: of several exceptions one arrives, whole") {
  thread_pool pool(4);
  for (int round = 0; round < 50; ++round) {
    const std::string message = message_of([&] {
      pool.run(40, [](index_t task, int) { throw error(text("task ", task, " of many")); });
    });
    CHECK(mentions(message, "task ", " of many"));
  }
  CHECK_THROWS_AS(pool.run(3, [](index_t, int) { throw 5; }), int);  // of any type
}

TEST_CASE("thread_pool: with several threads all other tasks are done when an exception arrives") {
  thread_pool pool(3);
  std::atomic<int> done = 0;
  message_of([&] {
    pool.run(60, [&](index_t task, int) {
      expects(task != 5, "five");
      ++done;
    });
  });
  CHECK(done == 59);
}

TEST_CASE("thread_pool: a run inside a task stays on its thread, with its worker") {
  thread_pool pool(3);
  std::atomic<int> inner = 0;
  std::atomic<bool> same = true;
  pool.run(20, [&](index_t, int outer_worker) {
    const auto thread = std::this_thread::get_id();
    pool.run(10, [&](index_t, int worker) {
      if (worker != outer_worker || std::this_thread::get_id() != thread) same = false;
      pool.run(2, [&](index_t, int) { ++inner; });
    });
  });
  CHECK(inner == 400);
  CHECK(same);
  CHECK(mentions(message_of([&] {
                   pool.run(8, [&](index_t, int) {
                     pool.run(4,
                              [](index_t task, int) { expects(task != 2, "inner task ", task); });
                   });
                 }),
                 "inner task 2"));
}

TEST_CASE("thread_pool: pools side by side, and one inside a task of another") {
  thread_pool a(2), b(3);
  std::atomic<int> total = 0;
  std::thread other([&] {
    for (int i = 0; i < 500; ++i) b.run(7, [&](index_t, int) { ++total; });
  });
  for (int i = 0; i < 500; ++i) a.run(7, [&](index_t, int) { ++total; });
  other.join();
  CHECK(total == 7000);
  thread_pool one(1);
  int nested = 0;
  a.run(1, [&](index_t, int) { one.run(5, [&](index_t, int) { ++nested; }); });
  CHECK(nested == 5);
}

TEST_CASE("thread_pool: ends while idle, at once or after a while, and right after a run") {
  for (int i = 0; i < 50; ++i) thread_pool idle(4);
  {
    thread_pool asleep(3);
    counts(asleep, 10);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // long enough to stop spinning
    const auto seen = counts(asleep, 10);                       // and to be woken again
    CHECK(std::count(seen.begin(), seen.end(), 1) == 10);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  for (int i = 0; i < 200; ++i) {
    auto pool = std::make_unique<thread_pool>(3);
    pool->run(5, [](index_t, int) {});
  }
}

TEST_CASE("thread_pool: tasks of very different length") {
  thread_pool pool(2);
  std::vector<double> out(40);
  pool.run(40, [&](index_t task, int) {
    double x = 1;
    for (index_t i = 0; i < (task % 10 == 0 ? 200'000 : 10); ++i) x = x * 0.999999 + 1e-6;
    out[static_cast<std::size_t>(task)] = x;
  });
  CHECK(std::all_of(out.begin(), out.end(), [](double x) { return x > 0; }));
}

TEST_CASE("thread_pool: errors") {
  CHECK(message_of([] { thread_pool p(-1); }) ==
        "thread_pool of -1 threads, expected none (all) or more");
  thread_pool pool(2);
  CHECK(mentions(message_of([&] { pool.run(index_t{1} << 31, [](index_t, int) {}); }),
                 "2147483648 tasks", "2^31"));
}
