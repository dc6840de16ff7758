// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Ranks as threads of one process.
#pragma once

#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include <dsr1/comm/rank_group.hpp>

namespace dsr1 {

/// What the ranks of one group of threads share. Messages are copied once, by the receiver.
class thread_world : public std::enable_shared_from_this<thread_world> {
 public:
  thread_world(int size, const link_options& options)
      : options_(options), seats_(expect_some(size)) {
    static_cast<void>(options.patience_duration());  // throws when it is none
  }

  int size() const { return static_cast<int>(seats_.size()); }
  const link_options& options() const { return options_; }

  void exchange(int rank, std::span<const outgoing> to, std::span<incoming> from) {
    std::unique_lock lock(mutex_);
    seat& mine = at(rank);
    expect_alive();
    mine.to = to;
    const std::uint64_t now = ++mine.begun;
    changed_.notify_all();
    wait(lock, rank, to, now);
    lock.unlock();
    std::string mismatch;
    try {
      for (int p = 0; p < size(); ++p)
        if (p != rank) take(rank, to, p, at(p).to[static_cast<std::size_t>(rank)], from);
    } catch (const error& e) {
      mismatch = e.what();
    }
    lock.lock();
    mine.done = now;
    if (!mismatch.empty() && mismatch_.empty()) mismatch_ = mismatch;
    changed_.notify_all();
    // Nobody leaves, not even with an error, while others may still read what it sends.
    changed_.wait(lock, [&] {
      return std::all_of(seats_.begin(), seats_.end(),
                         [&](const seat& s) { return s.done >= now; });
    });
    if (!mismatch_.empty()) fail(lock, mismatch.empty() ? mismatch_ : mismatch);
  }

  /// The group of these members; the first of them to come makes it.
  std::shared_ptr<thread_world> subgroup(int rank, std::span<const int> members) {
    const std::lock_guard lock(mutex_);
    expect_alive();
    const std::pair key(at(rank).splits++, members.front());
    forming& f = forming_[key];
    if (!f.world) {
      f.world = std::make_shared<thread_world>(static_cast<int>(members.size()), options_);
      children_.push_back(f.world);
    }
    std::shared_ptr<thread_world> found = f.world;
    if (++f.taken == members.size()) forming_.erase(key);
    return found;
  }

  /// Every operation of this group and of those made from it throws this from now on.
  void fail(const std::string& why) {
    std::unique_lock lock(mutex_);
    spread(lock, why);
  }

  /// A rank takes part no more.
  void leave(int rank, bool with_error) {
    const std::lock_guard lock(mutex_);
    if (at(rank).left == leaving::no)
      at(rank).left = with_error ? leaving::with_error : leaving::orderly;
    changed_.notify_all();
  }

 private:
  enum class leaving : std::uint8_t { no, orderly, with_error };
  struct seat {
    std::span<const outgoing> to;
    std::uint64_t begun = 0, done = 0, splits = 0;
    leaving left = leaving::no;
  };
  struct forming {
    std::shared_ptr<thread_world> world;
    std::size_t taken = 0;
  };

  static std::size_t expect_some(int size) {
    expects(size > 0, "a group of ", size, " ranks, expected at least one");
    return static_cast<std::size_t>(size);
  }

  seat& at(int rank) { return seats_[static_cast<std::size_t>(rank)]; }

  void expect_alive() const {
    if (!failure_.empty()) throw given_up(failure_);
  }

  static void take(int rank, std::span<const outgoing> to, int peer, const outgoing& message,
                   std::span<incoming> from) {
    incoming& i = from[static_cast<std::size_t>(peer)];
    i.head = message.head;
    expect_match(rank, to[static_cast<std::size_t>(peer)], peer, i);
    if (i.bytes > 0) std::memcpy(i.data, message.data, i.bytes);
  }

  void spread(std::unique_lock<std::mutex>& lock, const std::string& why) {
    if (failure_.empty()) failure_ = why;
    const std::vector<std::weak_ptr<thread_world>> children = children_;
    lock.unlock();
    changed_.notify_all();
    for (const auto& weak : children)
      if (const auto child = weak.lock()) child->fail(why);
  }
  [[noreturn]] void fail(std::unique_lock<std::mutex>& lock, const std::string& why) {
    spread(lock, why);
    throw error(why);
  }

  /// Waits until all ranks have begun exchange `now`.
  void wait(std::unique_lock<std::mutex>& lock, int rank, std::span<const outgoing> to,
            std::uint64_t now) {
    using clock = std::chrono::steady_clock;
    const auto deadline = clock::now() + options_.patience_duration();
    // Of a rank that left because of an error its own words will come; they are the better message.
    const auto words_until = std::min(deadline, clock::now() + std::chrono::seconds(1));
    const auto missing = [&](int p) { return at(p).begun < now; };
    const auto gone = [&](int p) {
      return missing(p) && (at(p).left == leaving::orderly ||
                            (at(p).left == leaving::with_error && clock::now() >= words_until));
    };
    const auto leaves = [&](int p) { return missing(p) && at(p).left != leaving::no; };
    const auto any = [&](auto&& holds) {
      for (int p = 0; p < size(); ++p)
        if (holds(p)) return true;
      return false;
    };
    const auto what = [&] { return to[rank == 0 ? 1 : 0].head.what.text(); };
    while (any(missing)) {
      expect_alive();
      if (any(gone))
        fail(lock, text(ranks_text(size(), gone), " left the group, while rank ", rank, " is in ",
                        what()));
      if (clock::now() >= deadline)
        fail(lock, text("rank ", rank, " waited ", options_.patience, " s in ", what(), " for ",
                        ranks_text(size(), missing)));
      changed_.wait_until(lock, any(leaves) ? words_until : deadline);
    }
  }

  link_options options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<seat> seats_;
  std::string failure_, mismatch_;
  std::map<std::pair<std::uint64_t, int>, forming> forming_;
  std::vector<std::weak_ptr<thread_world>> children_;
};

/// One rank of a group of threads.
class thread_transport final : public transport {
 public:
  thread_transport(std::shared_ptr<thread_world> world, int rank)
      : world_(std::move(world)), rank_(rank) {}
  ~thread_transport() override { world_->leave(rank_, std::uncaught_exceptions() > exceptions_); }
  thread_transport(const thread_transport&) = delete;
  thread_transport& operator=(const thread_transport&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return world_->size(); }
  const link_options& options() const override { return world_->options(); }
  void exchange(std::span<const outgoing> to, std::span<incoming> from) override {
    if (size() > 1) world_->exchange(rank_, to, from);
  }
  std::unique_ptr<transport> subgroup(std::span<const int> members) override {
    const auto me = std::find(members.begin(), members.end(), rank_) - members.begin();
    return std::make_unique<thread_transport>(world_->subgroup(rank_, members),
                                              static_cast<int>(me));
  }
  void abandon(const std::string& why) override { world_->fail(why); }

 private:
  std::shared_ptr<thread_world> world_;
  int rank_;
  int exceptions_ = std::uncaught_exceptions();
};

/// Runs f(rank_group) as `ranks` ranks, each on a thread of its own, and returns when all have
/// ended. When a rank throws, the others' operations throw too, naming it, and the first exception
/// that is no mere consequence of another (`given_up`) is rethrown here.
template <class F>
void run_ranks(int ranks, F&& f, const link_options& options = {}) {
  const auto world = std::make_shared<thread_world>(ranks, options);
  std::mutex mutex;
  std::exception_ptr cause, consequence;
  const auto failed = [&](int rank, const std::string& what) {
    const std::lock_guard lock(mutex);
    if (!cause) cause = std::current_exception();
    world->fail(text("rank ", rank, " ended with an error: ", what));
  };
  std::vector<std::thread> threads;
  threads.reserve(static_cast<std::size_t>(ranks));  // `world` has refused less than one
  for (int r = 0; r < ranks; ++r)
    threads.emplace_back([&, r] {
      // The group outlives the report, so that nobody takes the rank for one that merely left.
      rank_group group(std::make_unique<thread_transport>(world, r));
      try {
        f(group);
      } catch (const given_up&) {
        const std::lock_guard lock(mutex);
        if (!consequence) consequence = std::current_exception();
        world->leave(r, true);
      } catch (const std::exception& e) {
        failed(r, e.what());
      } catch (...) {
        failed(r, "an exception of an unknown type");
      }
    });
  for (std::thread& t : threads) t.join();
  if (cause) std::rethrow_exception(cause);
  if (consequence) std::rethrow_exception(consequence);
}

}  // namespace dsr1
