// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// An MPI communicator of our own, and the notices by which its ranks learn that one failed or left.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <dsr1/comm/transport.hpp>
#include <dsr1/mpi/check.hpp>

namespace dsr1 {

/// Owns a communicator. Notices are small messages outside the exchanges, which every exchange
/// polls for: a rank that fails tells the others why, so that nobody has to wait for it in vain.
/// All functions may be called by any thread, so MPI must give MPI_THREAD_MULTIPLE for more than
/// one.
class mpi_channel {
 public:
  enum tag : int { head_tag = 1, payload_tag = 2, notice_tag = 3 };
  enum class leaving : std::uint8_t { no, orderly, with_error };

  /// Takes the communicator over. A failure of the parent is one of this channel too.
  mpi_channel(MPI_Comm comm, std::shared_ptr<mpi_channel> parent)
      : comm_(comm), parent_(std::move(parent)) {
    check(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check(MPI_Comm_rank(comm_, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(comm_, &size_), "MPI_Comm_size");
    peers_.resize(static_cast<std::size_t>(size_));
    if (size_ > 1) listen();
  }
  ~mpi_channel() { release(); }
  mpi_channel(const mpi_channel&) = delete;
  mpi_channel& operator=(const mpi_channel&) = delete;

  MPI_Comm comm() const { return comm_; }
  int rank() const { return rank_; }
  int size() const { return size_; }

  /// Why the group is of no use any more; empty while it is.
  std::string failure() {
    if (parent_)
      if (std::string above = parent_->failure(); !above.empty()) return above;
    const std::lock_guard lock(mutex_);
    poll();
    return failure_;
  }

  /// Tells the other ranks; the first reason stays.
  void fail(const std::string& why) {
    const std::lock_guard lock(mutex_);
    poll();
    if (!failure_.empty()) return;
    failure_ = why;
    tell(kind::failure, 0, why);
  }

  /// Tells the other ranks that this one takes part in no exchange after the first `exchanges`.
  void leave(std::uint64_t exchanges, bool with_error) {
    const std::lock_guard lock(mutex_);
    tell(with_error ? kind::left_with_error : kind::left, exchanges, "");
  }

  /// Whether rank p has left without having begun as many exchanges.
  leaving left_before(int p, std::uint64_t exchanges) {
    const std::lock_guard lock(mutex_);
    const peer& other = peers_[static_cast<std::size_t>(p)];
    return other.exchanges < exchanges ? other.left : leaving::no;
  }
  /// Whether no message can be under way any more, because everybody has left.
  bool all_left() {
    const std::lock_guard lock(mutex_);
    poll();
    for (int p = 0; p < size_; ++p)
      if (p != rank_ && peers_[static_cast<std::size_t>(p)].left == leaving::no) return false;
    return std::all_of(sent_.begin(), sent_.end(), [](note& n) { return n.done(); });
  }

  /// Gives the communicator back to MPI. Before everybody has left its number could be given to
  /// another one, which would then receive late notices of this; so it is kept in that case.
  void release() noexcept {
    int finalized = 0;
    if (MPI_Finalized(&finalized) != MPI_SUCCESS || finalized || comm_ == MPI_COMM_NULL) return;
    bool clean = true;
    try {
      clean = size_ == 1 || all_left();
    } catch (const error&) {
      clean = false;
    }
    if (heard_ != MPI_REQUEST_NULL) {
      MPI_Cancel(&heard_);
      MPI_Request_free(&heard_);
    }
    if (clean) {
      MPI_Comm_free(&comm_);
    } else {
      static std::list<note> unsent;  // MPI may still read them
      static std::mutex together;
      const std::lock_guard lock(together);
      unsent.splice(unsent.end(), sent_);
    }
    comm_ = MPI_COMM_NULL;
  }

 private:
  enum class kind : std::uint8_t { failure, left, left_with_error };
  struct notice {
    std::uint64_t exchanges = 0;
    kind what = kind::failure;
    char words[1015] = {};
  };
  static_assert(sizeof(notice) == 1024, "small enough to be sent without waiting for a receiver");
  struct note {
    notice content;
    std::vector<MPI_Request> requests;

    bool done() {
      int all = 0;
      return MPI_Testall(static_cast<int>(requests.size()), requests.data(), &all,
                         MPI_STATUSES_IGNORE) == MPI_SUCCESS &&
             all != 0;
    }
  };
  struct peer {
    leaving left = leaving::no;
    std::uint64_t exchanges = 0;
  };

  void listen() {
    check(
        MPI_Irecv(&incoming_, sizeof(notice), MPI_BYTE, MPI_ANY_SOURCE, notice_tag, comm_, &heard_),
        "MPI_Irecv");
  }

  void poll() {
    while (heard_ != MPI_REQUEST_NULL) {
      int arrived = 0;
      MPI_Status status;
      check(MPI_Test(&heard_, &arrived, &status), "MPI_Test");
      if (!arrived) return;
      peer& from = peers_[static_cast<std::size_t>(status.MPI_SOURCE)];
      incoming_.words[sizeof(incoming_.words) - 1] = 0;
      if (incoming_.what == kind::failure) {
        if (failure_.empty()) failure_ = incoming_.words;
      } else {
        from.exchanges = incoming_.exchanges;
        from.left = incoming_.what == kind::left ? leaving::orderly : leaving::with_error;
      }
      listen();
    }
  }

  void tell(kind what, std::uint64_t exchanges, const std::string& words) {
    if (comm_ == MPI_COMM_NULL) return;
    note& n = sent_.emplace_back();  // stays where it is, as MPI reads it
    n.content.exchanges = exchanges;
    n.content.what = what;
    words.copy(n.content.words, sizeof(n.content.words) - 1);
    n.requests.assign(static_cast<std::size_t>(size_), MPI_REQUEST_NULL);
    for (int p = 0; p < size_; ++p)
      if (p != rank_)
        check(MPI_Isend(&n.content, sizeof(notice), MPI_BYTE, p, notice_tag, comm_,
                        &n.requests[static_cast<std::size_t>(p)]),
              "MPI_Isend");
    n.done();  // lets MPI begin
  }

  MPI_Comm comm_;
  std::shared_ptr<mpi_channel> parent_;
  int rank_ = 0, size_ = 1;
  std::mutex mutex_;
  std::string failure_;
  std::vector<peer> peers_;
  notice incoming_;
  MPI_Request heard_ = MPI_REQUEST_NULL;
  std::list<note> sent_;
};

/// The channels that this rank has left while others may still be in them.
class mpi_left_channels {
 public:
  static mpi_left_channels& of_this_process() {
    static mpi_left_channels all;
    return all;
  }

  void add(std::shared_ptr<mpi_channel> channel) {
    const std::lock_guard lock(mutex_);
    channels_.push_back(std::move(channel));
  }

  /// Gives up those that everybody has left; returns how many remain.
  std::size_t collect() {
    const std::lock_guard lock(mutex_);
    std::erase_if(channels_, [](const auto& c) { return !c->failure().empty() || c->all_left(); });
    return channels_.size();
  }

  /// Waits until everybody has left all of them. Throws `error` when `world` fails meanwhile, and
  /// when the patience in seconds is over.
  void wait(mpi_channel& world, double patience) {
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::duration<double>(patience);
    while (collect() > 0) {
      if (const std::string why = world.failure(); !why.empty()) throw given_up(why);
      expects(std::chrono::steady_clock::now() < deadline, "rank ", world.rank(), " waited ",
              patience, " s for the other ranks to end");
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    if (const std::string why = world.failure(); !why.empty()) throw given_up(why);
  }

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<mpi_channel>> channels_;
};

}  // namespace dsr1
