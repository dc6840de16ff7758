// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Ranks as processes under MPI, over messages between two ranks that are polled for.
#pragma once

#include <cstring>
#include <exception>
#include <utility>

#include <dsr1/mpi/channel.hpp>

namespace dsr1 {

/// One rank of an MPI communicator. Every exchange sends each other rank one message of the
/// envelope with a payload of up to 3840 bytes, and a longer payload once both envelopes fit each
/// other. Nothing blocks inside MPI, so that patience and `abandon` work; only making a subgroup
/// does.
class mpi_transport final : public transport {
 public:
  /// Ranks of a communicator of the caller's, which is duplicated; all its ranks call this.
  explicit mpi_transport(MPI_Comm comm, const link_options& options = {})
      : mpi_transport(std::make_shared<mpi_channel>(copy_of(comm), nullptr), options) {}
  ~mpi_transport() override {
    try {
      if (channel_->failure().empty())
        channel_->leave(exchanges_, std::uncaught_exceptions() > exceptions_);
      if (size() > 1) mpi_left_channels::of_this_process().add(std::move(channel_));
    } catch (const std::exception&) {
      // MPI has ended or failed: nobody is left to be told.
    }
  }
  mpi_transport(const mpi_transport&) = delete;
  mpi_transport& operator=(const mpi_transport&) = delete;

  int rank() const override { return channel_->rank(); }
  int size() const override { return channel_->size(); }
  const link_options& options() const override { return options_; }
  const std::shared_ptr<mpi_channel>& channel() const { return channel_; }

  void exchange(std::span<const outgoing> to, std::span<incoming> from) override {
    if (size() == 1) return;
    ++exchanges_;
    try {
      expect_alive();
      begin(to);
      while (unfinished_ > 0) {
        if (!progress(to, from)) pause(to);
      }
    } catch (const error& e) {
      channel_->fail(e.what());
      withdraw();
      throw;
    }
  }

  /// Blocks until all members are here; the patience does not bound it.
  std::unique_ptr<transport> subgroup(std::span<const int> members) override {
    expect_alive();
    mpi_left_channels::of_this_process().collect();
    MPI_Group all = MPI_GROUP_NULL, some = MPI_GROUP_NULL;
    check(MPI_Comm_group(channel_->comm(), &all), "MPI_Comm_group");
    check(MPI_Group_incl(all, static_cast<int>(members.size()), members.data(), &some),
          "MPI_Group_incl");
    MPI_Comm made = MPI_COMM_NULL;
    const int made_with = MPI_Comm_create_group(channel_->comm(), some, 0, &made);
    MPI_Group_free(&some);
    MPI_Group_free(&all);
    check(made_with, "MPI_Comm_create_group");
    return std::unique_ptr<transport>(
        new mpi_transport(std::make_shared<mpi_channel>(made, channel_), options_));
  }

  void abandon(const std::string& why) override { channel_->fail(why); }

  static constexpr std::size_t largest_piece = std::size_t{1} << 30;  ///< MPI counts in `int`

 private:
  using clock = std::chrono::steady_clock;
  enum class moving : std::uint8_t { head_in, head_out, payload_in, payload_out };
  struct task {
    moving what;
    int peer;
  };
  static constexpr std::size_t inline_bytes =
      3840;  // with the envelope below the 4 KiB that Open MPI sends at once
  struct head {
    envelope first;
    std::byte payload[inline_bytes];
  };

  mpi_transport(std::shared_ptr<mpi_channel> channel, const link_options& options)
      : channel_(std::move(channel)),
        options_(options),
        patience_(options.patience_duration()),
        piece_bytes_(std::min(options.piece_bytes, largest_piece)),
        sent_(static_cast<std::size_t>(size())),
        arrived_(static_cast<std::size_t>(size())),
        has_come_(static_cast<std::size_t>(size())) {
    expects(options.piece_bytes > 0, "messages in pieces of 0 bytes, expected at least 1");
  }

  static MPI_Comm copy_of(MPI_Comm comm) {
    MPI_Comm copy = MPI_COMM_NULL;
    check(MPI_Comm_dup(comm, &copy), "MPI_Comm_dup");
    return copy;
  }

  void expect_alive() {
    if (const std::string why = channel_->failure(); !why.empty()) throw given_up(why);
  }

  MPI_Request& start(moving what, int peer) {
    tasks_.push_back({what, peer});
    ++unfinished_;
    return requests_.emplace_back(MPI_REQUEST_NULL);
  }

  void begin(std::span<const outgoing> to) {
    tasks_.clear();
    requests_.clear();
    unfinished_ = 0;
    last_progress_ = clock::now();
    for (int p = 0; p < size(); ++p) {
      if (p == rank()) continue;
      const auto i = static_cast<std::size_t>(p);
      has_come_[i] = false;
      check(MPI_Irecv(&arrived_[i], sizeof(head), MPI_BYTE, p, mpi_channel::head_tag,
                      channel_->comm(), &start(moving::head_in, p)),
            "MPI_Irecv");
    }
    for (int step = 1; step < size(); ++step) {
      const int p = (rank() + step) % size();  // not everybody to rank 0 first
      const auto i = static_cast<std::size_t>(p);
      const std::size_t bytes = to[i].head.bytes;
      const std::size_t within = bytes <= inline_bytes ? bytes : 0;
      sent_[i].first = to[i].head;
      if (within > 0) std::memcpy(sent_[i].payload, to[i].data, within);
      check(MPI_Isend(&sent_[i], static_cast<int>(sizeof(envelope) + within), MPI_BYTE, p,
                      mpi_channel::head_tag, channel_->comm(), &start(moving::head_out, p)),
            "MPI_Isend");
    }
  }

  /// Takes what has been completed; false when nothing was.
  bool progress(std::span<const outgoing> to, std::span<incoming> from) {
    completed_.resize(requests_.size());
    int count = 0;
    check(MPI_Testsome(static_cast<int>(requests_.size()), requests_.data(), &count,
                       completed_.data(), MPI_STATUSES_IGNORE),
          "MPI_Testsome");
    if (count == MPI_UNDEFINED || count == 0) return false;
    unfinished_ -= count;
    for (int k = 0; k < count; ++k) {
      const task t = tasks_[static_cast<std::size_t>(completed_[static_cast<std::size_t>(k)])];
      if (t.what == moving::head_in) take_head(to, from, t.peer);
    }
    last_progress_ = clock::now();
    return true;
  }

  void take_head(std::span<const outgoing> to, std::span<incoming> from, int peer) {
    const auto i = static_cast<std::size_t>(peer);
    has_come_[i] = true;
    from[i].head = arrived_[i].first;
    expect_match(rank(), to[i], peer, from[i]);
    if (from[i].bytes > inline_bytes)
      in_pieces(from[i].data, from[i].bytes, [&](std::byte* data, int bytes) {
        check(MPI_Irecv(data, bytes, MPI_BYTE, peer, mpi_channel::payload_tag, channel_->comm(),
                        &start(moving::payload_in, peer)),
              "MPI_Irecv");
      });
    else if (from[i].bytes > 0)
      std::memcpy(from[i].data, arrived_[i].payload, from[i].bytes);
    if (to[i].head.bytes > inline_bytes)
      in_pieces(to[i].data, to[i].head.bytes, [&](const std::byte* data, int bytes) {
        check(MPI_Isend(data, bytes, MPI_BYTE, peer, mpi_channel::payload_tag, channel_->comm(),
                        &start(moving::payload_out, peer)),
              "MPI_Isend");
      });
  }

  template <class Byte, class F>
  void in_pieces(Byte* data, std::size_t bytes, F&& move) {
    for (std::size_t first = 0; first < bytes; first += piece_bytes_)
      move(data + first, static_cast<int>(std::min(piece_bytes_, bytes - first)));
  }

  /// Nothing moved: looks for bad news, and lets others have the processor. Long waits are for a
  /// rank that computes, so they sleep; short ones are for the wire.
  void pause(std::span<const outgoing> to) {
    expect_alive();
    const auto waited = clock::now() - last_progress_;
    const auto missing = [&](int p) {
      return p != rank() && !has_come_[static_cast<std::size_t>(p)];
    };
    bool any_missing = false;
    for (int p = 0; p < size(); ++p) any_missing |= missing(p);
    const auto what = [&] { return to[rank() == 0 ? 1 : 0].head.what.text(); };
    const auto gone = [&](int p) {
      const auto left =
          missing(p) ? channel_->left_before(p, exchanges_) : mpi_channel::leaving::no;
      // One that left with an error will be heard of from above; that is the better message.
      return left == mpi_channel::leaving::orderly ||
             (left == mpi_channel::leaving::with_error && waited > std::chrono::seconds(1));
    };
    for (int p = 0; p < size(); ++p)
      expects(!gone(p), ranks_text(size(), gone), " left the group, while rank ", rank(), " is in ",
              what());
    if (waited >= patience_) {
      const auto unfinished = [&](int p) {
        for (std::size_t k = 0; k < tasks_.size(); ++k)
          if (requests_[k] != MPI_REQUEST_NULL && tasks_[k].peer == p) return true;
        return false;
      };
      const std::string whom =
          any_missing ? ranks_text(size(), missing) : ranks_text(size(), unfinished);
      throw error(
          text("rank ", rank(), " waited ", options_.patience, " s in ", what(), " for ", whom));
    }
    if (waited < std::chrono::milliseconds(1))
      std::this_thread::yield();
    else if (!any_missing || waited < std::chrono::milliseconds(20))
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    else
      std::this_thread::sleep_for(std::chrono::microseconds(500));
  }

  /// After a failure: nothing may be written into the caller's memory any more once it is told.
  void withdraw() noexcept {
    for (std::size_t k = 0; k < requests_.size(); ++k)
      if (requests_[k] != MPI_REQUEST_NULL && is_receive(k)) MPI_Cancel(&requests_[k]);
    // What is on its way arrives; what will never be asked for is left to MPI.
    const auto deadline = clock::now() + std::chrono::seconds(2);
    const auto receives = [&] {
      for (std::size_t k = 0; k < requests_.size(); ++k) {
        int done = 0;
        if (requests_[k] != MPI_REQUEST_NULL) MPI_Test(&requests_[k], &done, MPI_STATUS_IGNORE);
        if (requests_[k] != MPI_REQUEST_NULL && is_receive(k)) return true;
      }
      return false;
    };
    while (receives() && clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    for (MPI_Request& r : requests_)
      if (r != MPI_REQUEST_NULL) MPI_Request_free(&r);
  }
  bool is_receive(std::size_t k) const {
    return tasks_[k].what == moving::head_in || tasks_[k].what == moving::payload_in;
  }

  std::shared_ptr<mpi_channel> channel_;
  link_options options_;
  clock::duration patience_;
  std::size_t piece_bytes_;
  std::vector<head> sent_, arrived_;
  std::vector<char> has_come_;
  std::vector<task> tasks_;
  std::vector<MPI_Request> requests_;  // one per task; MPI_REQUEST_NULL once it is completed
  std::vector<int> completed_;
  int unfinished_ = 0;
  std::uint64_t exchanges_ = 0;
  clock::time_point last_progress_;
  int exceptions_ = std::uncaught_exceptions();
};

}  // namespace dsr1
