// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A small pool of threads that take numbered tasks; owned by the CPU device of a context.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <dsr1/tensor/shape.hpp>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace dsr1 {

/// Runs f(task, worker) for task = 0 .. tasks-1; the caller is worker 0 and works too.
/// Tasks are handed out one by one, so a descheduled thread delays only the task that it holds.
/// Which worker runs a task is not defined; results may not depend on it. The first exception of
/// a task is rethrown to the caller when no task runs any more; tasks that had not begun may or may
/// not have run. A call from inside a task runs there.
class thread_pool {
 public:
  /// `threads` = 0 means as many as the hardware has.
  explicit thread_pool(int threads = 0) {
    expects(threads >= 0, "thread_pool of ", threads, " threads, expected none (all) or more");
    if (threads == 0) threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { work(i); });
  }
  ~thread_pool() {
    stop_.store(true, std::memory_order_relaxed);
    announce();
    for (std::thread& t : workers_) t.join();
  }
  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  template <class F>
  void run(index_t tasks, F&& f) {
    if (tasks <= 0) return;
    const position here = current();
    if (workers_.empty() || tasks == 1 || here.pool) {
      const int worker = here.pool == this ? here.worker : 0;
      for (index_t i = 0; i < tasks; ++i) f(i, worker);
      return;
    }
    expects(tasks < index_t{1} << 31, "thread_pool: ", tasks, " tasks, expected fewer than 2^31");
    call_ = [](void* object, index_t task, int worker) {
      (*static_cast<std::remove_reference_t<F>*>(object))(task, worker);
    };
    object_ = const_cast<void*>(static_cast<const void*>(std::addressof(f)));
    tasks_ = tasks;
    failure_ = nullptr;
    unfinished_.store(static_cast<std::uint32_t>(tasks), std::memory_order_relaxed);
    epoch_ += std::uint64_t{1} << 32;
    ticket_.store(epoch_ | static_cast<std::uint64_t>(tasks), std::memory_order_release);
    announce();
    current() = {this, 0};
    take_tasks(0);
    current() = here;
    for (int spin = 0; unfinished_.load(std::memory_order_acquire) != 0; ++spin) {
      if (spin < kSpins) {
        pause();
      } else {
        const std::uint32_t left = unfinished_.load(std::memory_order_acquire);
        if (left != 0) unfinished_.wait(left, std::memory_order_acquire);
      }
    }
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

 private:
  static constexpr int kSpins = 4000;  // some ten microseconds before a thread sleeps

  // What the calling thread is working on, so that a nested run stays on its thread.
  struct position {
    const thread_pool* pool = nullptr;
    int worker = 0;
  };
  static position& current() {
    static thread_local position value;
    return value;
  }
  static void pause() {
#if defined(__x86_64__) || defined(__i386__)
    _mm_pause();
#else
    std::this_thread::yield();
#endif
  }

  void announce() {
    generation_.fetch_add(1, std::memory_order_release);
    generation_.notify_all();
  }

  // The ticket holds the number of the run above and the number of untaken tasks below. Taking is
  // a compare-and-swap of both, so a late thread can never take a task of a run it did not see.
  void take_tasks(int worker) {
    std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
    for (;;) {
      const std::uint64_t left = ticket & 0xffffffffu;
      if (left == 0) return;
      if (!ticket_.compare_exchange_weak(ticket, ticket - 1, std::memory_order_acq_rel)) continue;
      try {
        call_(object_, tasks_ - static_cast<index_t>(left), worker);
      } catch (...) {
        if (!failing_.test_and_set(std::memory_order_acquire)) {
          if (!failure_) failure_ = std::current_exception();
          failing_.clear(std::memory_order_release);
        }
      }
      if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_all();
      ticket = ticket_.load(std::memory_order_acquire);
    }
  }

  void work(int worker) {
    current() = {this, worker};
    std::uint32_t seen = 0;
    while (!stop_.load(std::memory_order_relaxed)) {
      take_tasks(worker);
      for (int spin = 0; generation_.load(std::memory_order_acquire) == seen; ++spin) {
        if (spin < kSpins)
          pause();
        else
          generation_.wait(seen, std::memory_order_acquire);
      }
      seen = generation_.load(std::memory_order_acquire);
    }
  }

  std::vector<std::thread> workers_;
  std::atomic<bool> stop_ = false;
  std::atomic<std::uint32_t> generation_ = 0;
  std::atomic<std::uint64_t> ticket_ = 0;
  std::atomic<std::uint32_t> unfinished_ = 0;
  std::uint64_t epoch_ = 0;
  void (*call_)(void*, index_t, int) = nullptr;
  void* object_ = nullptr;
  index_t tasks_ = 0;
  std::atomic_flag failing_;
  std::exception_ptr failure_;
};

}  // namespace dsr1
