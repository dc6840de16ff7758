// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A vector that all ranks hold, summed over them in few bytes.
#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include <dsr1/comm/async.hpp>
#include <dsr1/sync/run_reducer.hpp>

namespace dsr1 {

struct compression {
  wire_format format{.code = wire_code::int8};
  bool error_feedback = true;     ///< costs as much memory as the vector
  std::uint64_t seed = 0;         ///< of stochastic rounding
  index_t segment = 1024 * 1024;  ///< numbers that travel together; see `operator()`
};

/// v becomes the sum over the ranks, up to the rounding of the wire format, with the same bits on
/// all. Each rank sends its coded numbers to their owners; owners add them up in full precision, in
/// the order of the ranks, and send the coded sums to all. With blocks of b and `nearest` rounding
///     |error_i| <= (sum over the other ranks r of amax_r + amax of the sum) / (2 q)
/// times (1 + 2^-14), plus 2^-100 for each, where q is 127 for int8 and 7 for int4, and amax is the
/// largest magnitude of the block of i; twice that with stochastic rounding, whose error is zero on
/// average. Error feedback adds what was lost to the next sum.
/// Bytes sent by each rank: 2 (W-1)/W of the coded vector; exactly, `bytes(rank)`.
/// Throws what `run_reducer` throws.
template <class T = float>
class compressed_all_reduce {
 public:
  /// All ranks call it; throws `error` unless all have the same count, format and segment.
  template <class Comm>
  compressed_all_reduce(Comm& comm, index_t count, const compression& how = {},
                        typename run_reducer<T>::place where = {})
      : how_(how), count_(count), rank_(comm.rank()), size_(comm.size()) {
    expects(count >= 0, "compressed_all_reduce of ", count, " numbers, expected none or more");
    expects(how.segment > 0, "compressed_all_reduce with segments of ", how.segment,
            " numbers, expected at least one");
    validate(how.format);
    comm.agree("the wire format (version, code, rounding, block)", how.format.fingerprint());
    comm.agree("the size of the vector", static_cast<std::uint64_t>(count));
    comm.agree("the segment of the compressed all-reduce", static_cast<std::uint64_t>(how.segment));
    const index_t whole = round_up(how.segment, how.format.block * size_);
    for (index_t first = 0; first < count; first += whole) {
      begins_.push_back(runs_.size());
      for (owned_run r : even_runs(std::min(whole, count - first), how.format.block, size_)) {
        r.at += first;
        runs_.push_back(std::move(r));
      }
    }
    begins_.push_back(runs_.size());
    for (std::size_t s = 0; s < slots_.size(); ++s)
      slots_[s] = run_reducer<T>(how.format, [this, where](index_t run, index_t at) {
        const index_t i = runs_[current_ + static_cast<std::size_t>(run)].at + at;
        return where ? where(0, i) : text("number ", i, " of the vector");
      });
    if (how.error_feedback && how.format.code != wire_code::f32)
      residual_.resize(static_cast<std::size_t>(count));
  }
  compressed_all_reduce(const compressed_all_reduce&) = delete;
  compressed_all_reduce& operator=(const compressed_all_reduce&) = delete;

  /// Coding and sending in turn.
  template <class Ctx, communicator Comm>
  void operator()(Ctx& ctx, Comm& comm, view<T, 1> v) {
    expect_vector(v);
    for (std::size_t s = 0; s < segments(); ++s) {
      begin(ctx, 0, s, v);
      slots_[0].exchange(comm);
      turn(ctx, 0, s, v);
      slots_[0].exchange(comm);
      end(ctx, 0, s, v);
    }
    ++steps_;
  }

  /// The same, to the bit, with the exchanges on another thread: a segment is coded while another
  /// is on the way.
  template <class Ctx, class Comm>
  void operator()(Ctx& ctx, async<Comm>& side, view<T, 1> v) {
    expect_vector(v);
    std::array<handle, 3> away;
    const auto start = [&](std::size_t slot) {
      away[slot] = side.start([&r = slots_[slot]](Comm& comm) { r.exchange(comm); });
    };
    try {
      for (std::size_t s = 0; s < segments() + 2; ++s) {
        if (s < segments()) {
          begin(ctx, s % 3, s, v);
          start(s % 3);
        }
        if (s >= 1 && s - 1 < segments()) {
          away[(s - 1) % 3].wait();
          turn(ctx, (s - 1) % 3, s - 1, v);
          start((s - 1) % 3);
        }
        if (s >= 2) {
          away[(s - 2) % 3].wait();
          end(ctx, (s - 2) % 3, s - 2, v);
        }
      }
    } catch (const std::exception& e) {
      side.comm().abandon(text("rank ", rank_, " ended with an error: ", e.what()));
      for (const handle& h : away) {  // nothing may be on the way when its buffers go
        try {
          h.wait();
        } catch (const std::exception&) {
        }
      }
      throw;
    }
    ++steps_;
  }

  index_t count() const { return count_; }
  const compression& options() const { return how_; }
  std::span<const owned_run> runs() const { return runs_; }
  /// Bytes that a rank sends in one call.
  index_t bytes(int rank) const {
    return reduce_bytes<T>(runs_, how_.format, rank) + spread_bytes<T>(runs_, how_.format, rank);
  }

  /// The state, for a checkpoint: this rank's residual (empty without error feedback), and the
  /// number of calls, from which stochastic rounding takes its numbers.
  std::span<const T> residual() const { return residual_; }
  std::uint64_t steps() const { return steps_; }

  /// Takes the state of a run: the residuals that its ranks had, in their order. On as many ranks
  /// each gets its own, so that the run goes on to the same bits. On another number their sum,
  /// which is what is still owed, goes to the owners; `factor` scales it where the sums are divided
  /// by the number of ranks afterwards: new ranks / old ranks then keeps the mean.
  void restore(std::span<const std::span<const T>> saved, std::uint64_t steps, double factor = 1) {
    expects(!saved.empty(), "compressed_all_reduce::restore from the residuals of no ranks");
    for (std::size_t r = 0; r < saved.size(); ++r)
      expects(saved[r].size() == residual_.size(), "compressed_all_reduce::restore: the residual ",
              "of rank ", r, " has ", saved[r].size(), " numbers, expected ", residual_.size());
    steps_ = steps;
    if (residual_.empty()) return;
    if (saved.size() == static_cast<std::size_t>(size_)) {
      const auto& own = saved[static_cast<std::size_t>(rank_)];
      std::copy(own.begin(), own.end(), residual_.begin());
      return;
    }
    std::fill(residual_.begin(), residual_.end(), T(0));
    for (const owned_run& r : runs_)
      for (index_t i = r.at; r.owner == rank_ && i < r.at + r.size; ++i) {
        double sum = 0;
        for (const auto& s : saved) sum += static_cast<double>(s[static_cast<std::size_t>(i)]);
        residual_[static_cast<std::size_t>(i)] = static_cast<T>(sum * factor);
      }
  }

 private:
  std::size_t segments() const { return begins_.size() - 1; }
  std::span<const owned_run> segment(std::size_t s) const {
    return std::span<const owned_run>(runs_).subspan(begins_[s], begins_[s + 1] - begins_[s]);
  }
  void expect_vector(view<T, 1> v) const {
    expects(v.rows() == count_, "compressed_all_reduce of ", v.rows(), " numbers, expected ",
            count_, " as it was made for");
  }
  view<T, 1> errors() {
    return residual_.empty() ? view<T, 1>() : view<T, 1>(residual_.data(), count_);
  }
  random_stream random(std::size_t s, int half) const {
    return wire_stream(how_.seed, steps_ * segments() + s, rank_, half);
  }

  template <class Ctx>
  void begin(Ctx& ctx, std::size_t slot, std::size_t s, view<T, 1> v) {
    slots_[slot].begin_reduce(ctx, rank_, size_, segment(s), v, errors(), random(s, 0));
  }
  template <class Ctx>
  void turn(Ctx& ctx, std::size_t slot, std::size_t s, view<T, 1> v) {
    current_ = begins_[s];
    slots_[slot].end_reduce(ctx, segment(s), v);
    slots_[slot].begin_spread(ctx, rank_, size_, segment(s), v, errors(), random(s, 1));
  }
  template <class Ctx>
  void end(Ctx& ctx, std::size_t slot, std::size_t s, view<T, 1> v) {
    slots_[slot].end_spread(ctx, segment(s), v);
  }

  compression how_;
  index_t count_;
  int rank_, size_;
  std::vector<owned_run> runs_;
  std::vector<std::size_t> begins_;  // of the segments' runs, and their end
  std::size_t current_ = 0;          // first run of the segment that is summed
  std::array<run_reducer<T>, 3> slots_;
  std::vector<T> residual_;
  std::uint64_t steps_ = 0;
};

}  // namespace dsr1
