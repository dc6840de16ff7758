// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Transports that do what networks and machines do at their worst.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <random>
#include <thread>
#include <utility>

#include <dsr1/comm/decorator.hpp>
#include <dsr1/comm/rank_group.hpp>

namespace battery {

/// Waits at random before and after every exchange; most often not at all, at times for long.
class delayed_transport final : public dsr1::transport_decorator {
 public:
  delayed_transport(std::unique_ptr<dsr1::transport> inner, unsigned seed)
      : transport_decorator(std::move(inner)), random_(seed * 7919u + 1u) {}

  void exchange(std::span<const dsr1::outgoing> to, std::span<dsr1::incoming> from) override {
    delay();
    transport_decorator::exchange(to, from);
    delay();
  }

 private:
  std::unique_ptr<dsr1::transport> wrap(std::unique_ptr<dsr1::transport> inner) override {
    return std::make_unique<delayed_transport>(std::move(inner), random_());
  }
  void delay() {
    const unsigned long x = random_() % 100;
    if (x < 40)
      std::this_thread::yield();
    else if (x > 90)
      std::this_thread::sleep_for(std::chrono::microseconds(x > 97 ? 2000 : 200));
  }

  std::mt19937 random_;
};

inline dsr1::rank_group delayed(dsr1::rank_group group, unsigned seed) {
  seed = seed * 100 + static_cast<unsigned>(group.rank());
  return std::move(group).through(
      [&](auto inner) { return std::make_unique<delayed_transport>(std::move(inner), seed); });
}

/// Calls f(peer, bytes) on everything that arrives, which may change it.
class tampering_transport final : public dsr1::transport_decorator {
 public:
  using change = std::function<void(int, std::span<std::byte>)>;
  tampering_transport(std::unique_ptr<dsr1::transport> inner, change f)
      : transport_decorator(std::move(inner)), change_(std::move(f)) {}

  void exchange(std::span<const dsr1::outgoing> to, std::span<dsr1::incoming> from) override {
    transport_decorator::exchange(to, from);
    for (int p = 0; p < size(); ++p) {
      const dsr1::incoming& i = from[static_cast<std::size_t>(p)];
      if (p != rank()) change_(p, {i.data, i.bytes});
    }
  }

 private:
  std::unique_ptr<dsr1::transport> wrap(std::unique_ptr<dsr1::transport> inner) override {
    return std::make_unique<tampering_transport>(std::move(inner), change_);
  }
  change change_;
};

}  // namespace battery
