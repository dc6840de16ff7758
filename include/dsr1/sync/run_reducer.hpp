// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Sums over the ranks that hold a run, taken by its owner and given back, in any wire format.
#pragma once

#include <cmath>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <dsr1/backend/wire_ops.hpp>
#include <dsr1/sync/owned_run.hpp>

namespace dsr1 {

/// Bytes of one run of `count` numbers. In f32 a T is sent as it is, so a `double` takes eight.
template <class T = float>
constexpr index_t run_bytes(const wire_format& f, index_t count) {
  return f.code == wire_code::f32 ? count * static_cast<index_t>(sizeof(T)) : f.bytes(count);
}
/// Bytes that `rank` sends in `run_reducer::reduce`: each run that it holds, to another owner.
template <class T = float>
index_t reduce_bytes(std::span<const owned_run> runs, const wire_format& f, int rank) {
  index_t sum = 0;
  for (const owned_run& r : runs)
    if (r.owner != rank && r.held_by(rank)) sum += run_bytes<T>(f, r.size);
  return sum;
}
/// Bytes that `rank` sends in `run_reducer::spread`: each run that it owns, to every other holder.
template <class T = float>
index_t spread_bytes(std::span<const owned_run> runs, const wire_format& f, int rank) {
  index_t sum = 0;
  for (const owned_run& r : runs)
    if (r.owner == rank)
      sum += run_bytes<T>(f, r.size) * (static_cast<index_t>(r.holders.size()) - 1);
  return sum;
}

/// The two halves of an all-reduce over runs:
///     reduce   v[run] of the owner = the sum over the holders: its own numbers exactly, the
///              others' as they were decoded, added in the order of the ranks
///     spread   v[run] of all holders, the owner too = the owner's numbers as they are decoded, so
///              that all have the same bits
/// Every run is coded by itself. A `residual` as large as v makes either half feed its error back:
/// what coding lost is added the next time. Where the rank does not own a run it is the error of
/// what it sent; where it owns one, of what it gave back; so
///     sum over steps of what was delivered + sum over ranks of the residuals = sum of all v.
/// In f32 all is exact and equal, to the bit, to `rank_group::all_reduce`. Bytes sent: see
/// `reduce_bytes` and `spread_bytes`. The halves are also to be had in steps, so that coding goes
/// on while something is on the way: begin_*, then exchange on any thread, then end_*.
/// Throws `error` on the owner when a number is not finite (or at least 2^127), naming the rank
/// that contributed it, the run, and the place in it.
template <class T = float>
class run_reducer {
 public:
  /// What error messages call number `at` of a run: the parameter it belongs to, say.
  using place = std::function<std::string(index_t run, index_t at)>;

  explicit run_reducer(const wire_format& format = {}, place where = {})
      : format_(format), where_(std::move(where)) {
    validate(format);
  }
  const wire_format& format() const { return format_; }

  /// `random` serves stochastic rounding; it should differ for every rank, half and step
  /// (see `wire_stream`).
  template <class Ctx, class Comm>
  void reduce(Ctx& ctx, Comm& comm, std::span<const owned_run> runs, view<T, 1> v,
              view<T, 1> residual, const random_stream& random) {
    begin_reduce(ctx, comm.rank(), comm.size(), runs, v, residual, random);
    exchange(comm);
    end_reduce(ctx, runs, v);
  }
  template <class Ctx, class Comm>
  void spread(Ctx& ctx, Comm& comm, std::span<const owned_run> runs, view<T, 1> v,
              view<T, 1> residual, const random_stream& random) {
    begin_spread(ctx, comm.rank(), comm.size(), runs, v, residual, random);
    exchange(comm);
    end_spread(ctx, runs, v);
  }

  template <class Ctx>
  void begin_reduce(Ctx& ctx, int rank, int size, std::span<const owned_run> runs, view<T, 1> v,
                    view<T, 1> residual, const random_stream& random) {
    expect_runs(rank, size, runs, v, residual);
    gather_ = false;
    std::fill(sends_.begin(), sends_.end(), 0);
    std::fill(receives_.begin(), receives_.end(), 0);
    for (const owned_run& r : runs) {
      if (!r.held_by(rank)) continue;
      const index_t bytes = run_bytes<T>(format_, r.size);
      if (r.owner != rank)
        sends_[at(r.owner)] += bytes;
      else
        for (const int p : r.holders)
          if (p != rank) receives_[at(p)] += bytes;
    }
    make_room();
    offsets(sends_);
    std::uint64_t draw = 0;
    for (const owned_run& r : runs) {
      if (r.owner != rank && r.held_by(rank))
        pack(ctx, r, v, residual, random, draw, send_.data() + cursor_[at(r.owner)]);
      if (r.owner != rank && r.held_by(rank)) cursor_[at(r.owner)] += run_bytes<T>(format_, r.size);
      draw += format_.draws(r.size);
    }
  }

  template <class Ctx>
  void begin_spread(Ctx& ctx, int rank, int size, std::span<const owned_run> runs, view<T, 1> v,
                    view<T, 1> residual, const random_stream& random) {
    expect_runs(rank, size, runs, v, residual);
    gather_ = true;  // what goes to all is not copied for each of them
    for (const owned_run& r : runs) gather_ = gather_ && r.holders.size() == at(size);
    std::fill(sends_.begin(), sends_.end(), 0);
    std::fill(receives_.begin(), receives_.end(), 0);
    for (const owned_run& r : runs) {
      const index_t bytes = run_bytes<T>(format_, r.size);
      if (r.owner != rank || gather_)
        receives_[at(r.owner)] += r.held_by(rank) ? bytes : 0;
      else
        for (const int p : r.holders)
          if (p != rank) sends_[at(p)] += bytes;
    }
    make_room();
    offsets(gather_ ? receives_ : sends_);
    std::uint64_t draw = 0;
    for (const owned_run& r : runs) {
      if (r.owner == rank) give(ctx, r, v, residual, random, draw);
      draw += format_.draws(r.size);
    }
  }

  /// Sends and receives what the last begin_ prepared.
  template <class Comm>
  void exchange(Comm& comm) {
    const std::span<const index_t> sends(sends_), receives(receives_);
    const view<std::byte, 1> in(receive_.data(), total(receives_));
    if (gather_) {
      index_t begin = 0;
      for (int p = 0; p < comm.rank(); ++p) begin += receives_[at(p)];
      comm.all_gather(view<const std::byte, 1>(in.data + begin, receives_[at(comm.rank())]),
                      receives, in);
    } else {
      comm.all_to_all_v(view<const std::byte, 1>(send_.data(), total(sends_)), sends, in, receives);
    }
  }

  template <class Ctx>
  void end_reduce(Ctx& ctx, std::span<const owned_run> runs, view<T, 1> v) {
    offsets(receives_);
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const owned_run& r = runs[i];
      if (r.owner != rank_) continue;
      sum(ctx, r, v.slice_rows(r.at, r.size));
      const index_t bad =
          Ctx::backend::first_not_finite(ctx, view<const T, 1>(v.slice_rows(r.at, r.size)));
      if (bad >= 0) fail(ctx, static_cast<index_t>(i), r, v[r.at + bad], bad);
      for (const int p : r.holders)
        if (p != rank_) cursor_[at(p)] += run_bytes<T>(format_, r.size);
    }
  }

  template <class Ctx>
  void end_spread(Ctx& ctx, std::span<const owned_run> runs, view<T, 1> v) {
    offsets(receives_);
    for (const owned_run& r : runs) {
      if (!r.held_by(rank_)) continue;
      if (r.owner == rank_ && !gather_) continue;
      if (r.owner != rank_)
        decode(ctx, receive_.data() + cursor_[at(r.owner)], v.slice_rows(r.at, r.size), false);
      cursor_[at(r.owner)] += run_bytes<T>(format_, r.size);
    }
  }

 private:
  static constexpr std::size_t at(index_t i) { return static_cast<std::size_t>(i); }
  static index_t total(const std::vector<index_t>& counts) {
    index_t sum = 0;
    for (const index_t c : counts) sum += c;
    return sum;
  }

  void expect_runs(int rank, int size, std::span<const owned_run> runs, view<T, 1> v,
                   view<T, 1> residual) {
    expects(residual.data == nullptr || residual.rows() == v.rows(), "run_reducer: the residual ",
            "has ", residual.rows(), " numbers, expected ", v.rows(), " as the vector");
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const owned_run& r = runs[i];
      expects(r.owner >= 0 && r.owner < size && r.held_by(r.owner) && r.holders.back() < size &&
                  r.holders.front() >= 0,
              "run ", i, " of ", r.size, " numbers is owned by rank ", r.owner,
              ", expected one of its holders among ", size, " ranks");
      if (r.held_by(rank))
        expects(r.at >= 0 && r.size >= 0 && r.at + r.size <= v.rows(), "run ", i, " lies at ", r.at,
                " and has ", r.size, " numbers, expected it within the vector of ", v.rows());
    }
    rank_ = rank;
    for (auto* counts : {&sends_, &receives_, &cursor_}) counts->resize(at(size));
  }
  void make_room() {
    if (send_.size() < at(total(sends_))) send_.resize(at(total(sends_)));
    if (receive_.size() < at(total(receives_))) receive_.resize(at(total(receives_)));
  }
  void offsets(const std::vector<index_t>& counts) {
    index_t sum = 0;
    for (std::size_t p = 0; p < counts.size(); ++p) {
      cursor_[p] = sum;
      sum += counts[p];
    }
  }

  template <class Ctx>
  void pack(Ctx& ctx, const owned_run& r, view<T, 1> v, view<T, 1> residual,
            const random_stream& random, std::uint64_t draw, std::byte* to) {
    const view<const T, 2> x(v.data + r.at, 1, r.size);
    if (format_.code == wire_code::f32) {
      if (r.size > 0) std::memcpy(to, x.data, at(r.size) * sizeof(T));
      return;
    }
    view<T, 2> error;
    if (residual.data) error = view<T, 2>(residual.data + r.at, 1, r.size);
    Ctx::backend::wire_pack(ctx, format_, x, error, random, draw,
                            view<std::byte, 2>(to, 1, format_.bytes(r.size)));
  }

  /// to = or += what the bytes stand for.
  template <class Ctx>
  void decode(Ctx& ctx, const std::byte* from, view<T, 1> to, bool add) const {
    if constexpr (!std::is_same_v<T, float>) {
      if (format_.code == wire_code::f32) {
        for (index_t i = 0; i < to.rows(); ++i) {
          T x;
          std::memcpy(&x, from + i * static_cast<index_t>(sizeof(T)), sizeof(T));
          to[i] = add ? to[i] + x : x;
        }
        return;
      }
    }
    const view<const std::byte, 2> bytes(from, 1, format_.bytes(to.rows()));
    const view<T, 2> y(to.data, 1, to.rows());
    if (add)
      Ctx::backend::wire_unpack_add(ctx, format_, bytes, y);
    else
      Ctx::backend::wire_unpack(ctx, format_, bytes, y);
  }

  /// mine = the sum in the order of the ranks. The first two may change places, so only what
  /// comes before an owner that is third or later is summed elsewhere.
  template <class Ctx>
  void sum(Ctx& ctx, const owned_run& r, view<T, 1> mine) {
    const auto before = std::lower_bound(r.holders.begin(), r.holders.end(), rank_);
    const auto from = [&](int p) { return receive_.data() + cursor_[at(p)]; };
    auto p = r.holders.begin();
    if (before - r.holders.begin() > 1) {
      if (scratch_.size() < at(r.size)) scratch_.resize(at(r.size));
      const view<T, 1> first(scratch_.data(), r.size);
      for (; p != before; ++p) decode(ctx, from(*p), first, p != r.holders.begin());
      for (index_t i = 0; i < r.size; ++i) mine[i] += first[i];
    }
    for (; p != r.holders.end(); ++p)
      if (*p != rank_) decode(ctx, from(*p), mine, true);
  }

  /// Codes an owned run for its holders, and leaves in v what they will decode.
  template <class Ctx>
  void give(Ctx& ctx, const owned_run& r, view<T, 1> v, view<T, 1> residual,
            const random_stream& random, std::uint64_t draw) {
    const index_t bytes = run_bytes<T>(format_, r.size);
    std::byte* coded = nullptr;
    if (gather_) {
      coded = receive_.data() + cursor_[at(rank_)];
      cursor_[at(rank_)] += bytes;
      pack(ctx, r, v, residual, random, draw, coded);
    }
    for (const int p : r.holders) {
      if (gather_ || p == rank_) continue;
      std::byte* const to = send_.data() + cursor_[at(p)];
      cursor_[at(p)] += bytes;
      if (coded)
        std::copy_n(coded, bytes, to);
      else
        pack(ctx, r, v, residual, random, draw, coded = to);
    }
    if (coded && format_.code != wire_code::f32)
      decode(ctx, coded, v.slice_rows(r.at, r.size), false);
  }

  /// Finds out whose number it was.
  template <class Ctx>
  [[noreturn]] void fail(Ctx& ctx, index_t index, const owned_run& r, T value, index_t bad) const {
    const std::string name = where_ ? where_(index, bad) : text("number ", bad, " of run ", index);
    double others = 0;
    std::vector<T> one(at(r.size));
    for (const int p : r.holders) {
      if (p == rank_) continue;
      decode(ctx, receive_.data() + cursor_[at(p)], view<T, 1>(one.data(), r.size), false);
      const T x = one[at(bad)];
      expects(std::abs(x) < static_cast<T>(wire_limit), "rank ", p,
              " contributed a number that is not finite (or 2^127 and more) to the sum: ", name,
              format_.scaled() ? text(", or one of the ", format_.block, " of its block") : "");
      others += std::abs(static_cast<double>(x));
    }
    expects(!std::isnan(value) && others >= 0x1p125, "rank ", rank_, " contributed ",
            "a number that is not finite (or 2^127 and more) to the sum: ", name);
    throw error(text("the sum over the ranks is too large, 2^127 and more: ", name));
  }

  wire_format format_;
  place where_;
  int rank_ = 0;
  bool gather_ = false;
  std::vector<index_t> sends_, receives_, cursor_;  // bytes by rank
  std::vector<std::byte> send_, receive_;
  std::vector<T> scratch_;
};

/// Random numbers for one half (0: reduce, 1: spread) of one step of one rank.
constexpr random_stream wire_stream(std::uint64_t key, std::uint64_t step, int rank, int half) {
  return random_stream(key, stream_of("wire") + (step << 21) +
                                static_cast<std::uint64_t>(rank) * 2 +
                                static_cast<std::uint64_t>(half));
}

}  // namespace dsr1
