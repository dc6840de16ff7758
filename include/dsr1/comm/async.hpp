// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Operations of a communicator beside the program: on a thread of their own, with handles.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include <dsr1/core/error.hpp>

namespace dsr1 {

/// Something that was started and may be waited for.
class handle {
 public:
  handle() = default;

  bool done() const {
    if (!s_) return true;
    const std::lock_guard lock(s_->mutex);
    return s_->done;
  }
  /// Returns when it is done; throws what it threw.
  void wait() const {
    if (!s_) return;
    std::unique_lock lock(s_->mutex);
    s_->changed.wait(lock, [&] { return s_->done; });
    if (s_->failure) std::rethrow_exception(s_->failure);
  }

 private:
  template <class Comm>
  friend class async;
  struct state {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
    std::exception_ptr failure;
  };
  std::shared_ptr<state> s_;
};

/// A communicator whose operations run on one thread, in the order in which they were started:
///     handle h = side.start([v](auto& comm) { comm.all_reduce(v); });
/// Once one has thrown, those after it throw the same without being run. The destructor waits for
/// all, or, when an exception brought it about, abandons the communicator.
template <class Comm>
class async {
 public:
  explicit async(Comm comm) : comm_(std::move(comm)), thread_([this] { work(); }) {}
  ~async() {
    if (std::uncaught_exceptions() > exceptions_)
      comm_.abandon(
          text("given up, as rank ", comm_.rank(), " ended with an error while this was pending"));
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  async(const async&) = delete;
  async& operator=(const async&) = delete;

  template <class F>
  handle start(F&& f) {
    handle h;
    h.s_ = std::make_shared<handle::state>();
    {
      const std::lock_guard lock(mutex_);
      tasks_.push_back({std::forward<F>(f), h.s_});
    }
    changed_.notify_all();
    return h;
  }

  /// Only between operations: for counters, and for a group's collective setting up.
  Comm& comm() { return comm_; }
  /// Seconds that the operations took, of those that were waited for.
  double seconds() const {
    const std::lock_guard lock(mutex_);
    return seconds_;
  }

 private:
  struct task {
    std::function<void(Comm&)> run;
    std::shared_ptr<handle::state> state;
  };

  void work() {
    for (;;) {
      task next;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stop_ || !tasks_.empty(); });
        if (tasks_.empty()) return;
        next = std::move(tasks_.front());
        tasks_.pop_front();
      }
      const auto start = std::chrono::steady_clock::now();
      try {
        if (!failure_) next.run(comm_);
      } catch (...) {
        failure_ = std::current_exception();
      }
      {
        const std::lock_guard lock(mutex_);
        seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      }
      {
        const std::lock_guard lock(next.state->mutex);
        next.state->failure = failure_;
        next.state->done = true;
      }
      next.state->changed.notify_all();
    }
  }

  Comm comm_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<task> tasks_;
  std::exception_ptr failure_;  // of the worker alone
  double seconds_ = 0;
  bool stop_ = false;
  int exceptions_ = std::uncaught_exceptions();
  std::thread thread_;
};

}  // namespace dsr1
