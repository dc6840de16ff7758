// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A slower link than there is, so that one machine shows what a program does on another network.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include <dsr1/comm/decorator.hpp>
#include <dsr1/comm/rank_group.hpp>

namespace dsr1 {

struct link_speed {
  double bits_per_second = std::numeric_limits<double>::infinity();  ///< in each direction
  double latency = 0;                                                ///< seconds, once per exchange
};

/// The time by which a throttled rank sleeps; tests have one of their own.
class link_clock {
 public:
  virtual ~link_clock() = default;
  virtual double now() = 0;  ///< seconds since any moment
  virtual void sleep_until(double moment) = 0;
};

class steady_link_clock final : public link_clock {
 public:
  double now() override { return std::chrono::duration<double>(clock::now() - start_).count(); }
  void sleep_until(double moment) override {
    std::this_thread::sleep_until(start_ + std::chrono::duration_cast<clock::duration>(
                                               std::chrono::duration<double>(moment)));
  }

 private:
  using clock = std::chrono::steady_clock;
  clock::time_point start_ = clock::now();
};

/// The network card of one rank, which several groups may share: a token bucket. What is sent and
/// what is received do not slow each other down. Used by several threads.
class throttled_link {
 public:
  explicit throttled_link(const link_speed& speed,
                          std::shared_ptr<link_clock> clock = std::make_shared<steady_link_clock>())
      : speed_(speed), clock_(std::move(clock)) {
    expects(speed.bits_per_second > 0, "a link of ", speed.bits_per_second,
            " bits per second, expected more than 0");
    expects(speed.latency >= 0, "a latency of ", speed.latency, " s, expected at least 0");
  }

  const link_speed& speed() const { return speed_; }
  link_clock& clock() { return *clock_; }

  /// Takes the link for a message, from `now` or from when it is free; returns when the message
  /// has arrived: latency + bytes * 8 / bandwidth after that. The latency occupies nothing.
  double book(double now, std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    free_ = std::max(now, free_) + static_cast<double>(bytes) * 8 / speed_.bits_per_second;
    return free_ + speed_.latency;
  }

 private:
  link_speed speed_;
  std::shared_ptr<link_clock> clock_;
  std::mutex mutex_;
  double free_ = 0;
};

/// Lets an exchange end no earlier than the link allows for the larger of what the rank sends and
/// what it receives, counted from when all ranks have come to it. What the transport inside takes
/// comes before that: it should be much faster than the link that is studied.
class throttled_transport final : public transport_decorator {
 public:
  throttled_transport(std::unique_ptr<transport> inner, std::shared_ptr<throttled_link> link)
      : transport_decorator(std::move(inner)), link_(std::move(link)) {}

  void exchange(std::span<const outgoing> to, std::span<incoming> from) override {
    std::uint64_t sent = 0, received = 0;
    for (int p = 0; p < size(); ++p) {
      if (p == rank()) continue;
      sent += to[static_cast<std::size_t>(p)].head.bytes;
      received += from[static_cast<std::size_t>(p)].bytes;
    }
    transport_decorator::exchange(to, from);
    link_clock& clock = link_->clock();
    double now = clock.now();
    const double until = link_->book(now, std::max(sent, received));
    for (; now < until && !abandoned_; now = clock.now())
      clock.sleep_until(std::min(until, now + 0.05));  // to look at `abandoned_` now and then
  }
  void abandon(const std::string& why) override {
    abandoned_ = true;
    transport_decorator::abandon(why);
  }

 private:
  std::unique_ptr<transport> wrap(std::unique_ptr<transport> inner) override {
    return std::make_unique<throttled_transport>(std::move(inner), link_);
  }

  std::shared_ptr<throttled_link> link_;
  std::atomic<bool> abandoned_ = false;
};

/// The group over a slower link, and so all groups that are made from it: same results, same
/// counts. `speed.bits_per_second` counts each direction: 1e9 is gigabit Ethernet.
inline rank_group throttle(rank_group group, std::shared_ptr<throttled_link> link) {
  return std::move(group).through([&](std::unique_ptr<transport> inner) {
    return std::make_unique<throttled_transport>(std::move(inner), link);
  });
}
inline rank_group throttle(rank_group group, const link_speed& speed) {
  return throttle(std::move(group), std::make_shared<throttled_link>(speed));
}

}  // namespace dsr1
