// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Ranks with a GPU each: the communicator for device memory, over NCCL.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <dsr1/comm/rank_group.hpp>
#include <dsr1/nccl/check.hpp>

namespace dsr1 {

/// A communicator whose views are dense memory of the calling thread's device. An operation runs on
/// the stream after what was put there before, and returns when it is complete. Sums are in NCCL's
/// order: the same bits only for the same ranks, topology and version. Bytes are counted as the
/// ring of the least traffic sends them, which is what `rank_group` sends above `small_bytes`.
/// Throws `error` when NCCL reports one, also of another rank, and when an operation takes longer
/// than the patience; the group is aborted then. NCCL compares no calls: with
/// `options().checksums` the host group does so before every operation, at the cost of its latency.
/// It has been compiled and linked, and has not run on a device yet.
class nccl_group {
 public:
  /// `host` carries NCCL's identifier, agreements and splits; all its ranks call this.
  nccl_group(rank_group host, cudaStream_t stream, const link_options& options = {})
      : nccl_group(std::make_unique<state>(std::move(host), stream, options)) {
    ncclUniqueId id = {};
    if (rank() == 0) check(ncclGetUniqueId(&id), "ncclGetUniqueId");
    s_->host.broadcast(view<ncclUniqueId, 1>(&id, 1), 0);
    ncclConfig_t config = polled();
    check(ncclCommInitRankConfig(&s_->comm, size(), id, rank(), &config), "ncclCommInitRankConfig");
    wait_for_nccl("ncclCommInitRankConfig");
  }

  int rank() const { return s_->host.rank(); }
  int size() const { return s_->host.size(); }
  cudaStream_t stream() const { return s_->stream; }

  /// v = the sum (maximum, minimum) over the ranks.
  template <nccl_number T>
  void all_reduce(view<T, 1> v, reduction how = reduction::sum) {
    const index_t own = share_size(v.rows(), rank(), size());
    const index_t moved = v.rows() - own + (size() - 1) * own;
    run<T>(operation::all_reduce, v.rows(), moved, moved, [&] {
      check(ncclAllReduce(v.data, v.data, count_of(v.rows()), nccl_type<T>(), of(how), s_->comm,
                          s_->stream),
            "ncclAllReduce");
    });
  }

  /// mine [counts[rank()]] = this rank's part of the sum of v, whose parts have counts[r] elements.
  template <nccl_number T>
  void reduce_scatter(view<const T, 1> v, std::span<const index_t> counts, view<T, 1> mine,
                      reduction how = reduction::sum) {
    const std::vector<index_t> begin = offsets("reduce_scatter", counts, v.rows());
    expect_own("reduce_scatter", mine.rows(), counts);
    run<T>(operation::reduce_scatter, v.rows(), v.rows() - mine.rows(), (size() - 1) * mine.rows(),
           [&] {
             for (int p = 0; p < size(); ++p)
               if (at(counts, p) > 0)
                 check(ncclReduce(v.data + at(begin, p), mine.data, count_of(at(counts, p)),
                                  nccl_type<T>(), of(how), p, s_->comm, s_->stream),
                       "ncclReduce");
           });
  }

  /// all = the parts of the ranks one after the other; `mine` may be its place there.
  template <class T>
  void all_gather(view<const T, 1> mine, std::span<const index_t> counts, view<T, 1> all) {
    const std::vector<index_t> begin = offsets("all_gather", counts, all.rows());
    expect_own("all_gather", mine.rows(), counts);
    run<T>(operation::all_gather, all.rows(), (size() - 1) * mine.rows(), all.rows() - mine.rows(),
           [&] {
             for (int p = 0; p < size(); ++p)
               if (at(counts, p) > 0)
                 check(ncclBroadcast(p == rank() ? mine.data : all.data + at(begin, p),
                                     all.data + at(begin, p), bytes_of<T>(at(counts, p)), ncclUint8,
                                     p, s_->comm, s_->stream),
                       "ncclBroadcast");
           });
  }

  /// out[part r] = what rank r has in its part of `in` for this rank.
  template <class T>
  void all_to_all_v(view<const T, 1> in, std::span<const index_t> sends, view<T, 1> out,
                    std::span<const index_t> receives) {
    const std::vector<index_t> to = offsets("all_to_all_v", sends, in.rows()),
                               from = offsets("all_to_all_v", receives, out.rows());
    const index_t own = at(sends, rank());
    expects(own == at(receives, rank()), "all_to_all_v: rank ", rank(), " sends ", own,
            " elements to itself and expects ", at(receives, rank()));
    run<T>(operation::all_to_all, 0, in.rows() - own, out.rows() - own, [&] {
      for (int p = 0; p < size(); ++p) {
        check(ncclSend(in.data + at(to, p), bytes_of<T>(at(sends, p)), ncclUint8, p, s_->comm,
                       s_->stream),
              "ncclSend");
        check(ncclRecv(out.data + at(from, p), bytes_of<T>(at(receives, p)), ncclUint8, p, s_->comm,
                       s_->stream),
              "ncclRecv");
      }
    });
  }

  /// v = the v of rank `root`.
  template <class T>
  void broadcast(view<T, 1> v, int root = 0) {
    expects(root >= 0 && root < size(), "broadcast from rank ", root, " of ", size());
    const bool gives = rank() == root;
    run<T>(operation::broadcast, v.rows(), gives && size() > 1 ? v.rows() : 0, gives ? 0 : v.rows(),
           [&] {
             check(ncclBroadcast(v.data, v.data, bytes_of<T>(v.rows()), ncclUint8, root, s_->comm,
                                 s_->stream),
                   "ncclBroadcast");
           });
  }

  /// Returns when the stream of every rank has come to it.
  void barrier() {
    run<std::byte>(operation::barrier, 0, 0, 0, [] {});
    s_->host.barrier();
  }

  nccl_group split(int colour, int key = 0) {
    rank_group host = s_->host.split(colour, key);
    nccl_group made(std::make_unique<state>(std::move(host), s_->stream, s_->options));
    ncclConfig_t config = polled();
    check(ncclCommSplit(s_->comm, colour, key, &made.s_->comm, &config), "ncclCommSplit");
    wait_for_nccl("ncclCommSplit");
    made.wait_for_nccl("ncclCommSplit");
    return made;
  }
  nccl_group duplicate() { return split(0, rank()); }

  void agree(std::string_view what, std::uint64_t value) { s_->host.agree(what, value); }

  /// From any thread: what this rank waits for throws `given_up`, and so does all later.
  void abandon(const std::string& why) {
    {
      const std::lock_guard lock(s_->mutex);
      if (s_->why.empty()) s_->why = why;
    }
    s_->abandoned = true;
    s_->host.abandon(why);
  }

  purpose count_as(purpose p) { return std::exchange(s_->now, p); }
  traffic& counted() { return s_->counted; }
  const traffic& counted() const { return s_->counted; }
  const link_options& options() const { return s_->options; }

 private:
  using clock = std::chrono::steady_clock;

  struct state {
    state(rank_group group, cudaStream_t on, const link_options& o)
        : host(std::move(group)), stream(on), options(o), patience(o.patience_duration()) {}
    ~state() {
      if (comm == nullptr) return;
      // Nothing is under way any more: every operation has been waited for, or was aborted.
      ncclCommDestroy(comm);
    }
    state(const state&) = delete;
    state& operator=(const state&) = delete;

    rank_group host;
    ncclComm_t comm = nullptr;
    cudaStream_t stream;
    link_options options;
    clock::duration patience;
    traffic counted;
    purpose now = purpose::control;
    std::mutex mutex;
    std::string why;
    std::atomic<bool> abandoned = false, busy = false;
  };

  explicit nccl_group(std::unique_ptr<state> s) : s_(std::move(s)) {}

  static ncclConfig_t polled() {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    return config;
  }
  static ncclRedOp_t of(reduction how) {
    return how == reduction::sum ? ncclSum : how == reduction::max ? ncclMax : ncclMin;
  }
  template <class Counts>
  static index_t at(const Counts& counts, int p) {
    return counts[static_cast<std::size_t>(p)];
  }
  static std::size_t count_of(index_t n) { return static_cast<std::size_t>(n); }
  template <class T>
  static std::size_t bytes_of(index_t n) {
    static_assert(std::is_trivially_copyable_v<T>);
    return static_cast<std::size_t>(n) * sizeof(T);
  }

  std::vector<index_t> offsets(std::string_view name, std::span<const index_t> counts,
                               index_t rows) const {
    return offsets_of(name, counts, size(), rows);
  }
  void expect_own(std::string_view name, index_t rows, std::span<const index_t> counts) const {
    expects(rows == at(counts, rank()), name, ": rank ", rank(), " has ", rows,
            " elements, its count is ", at(counts, rank()));
  }

  /// `sent` and `received` in elements.
  template <class T, class F>
  void run(operation what, index_t count, index_t sent, index_t received, F&& enqueue) {
    expects(!s_->busy.exchange(true), "rank ", rank(), ": ", name_of(what),
            " while another thread is inside this group; give it a `duplicate`");
    struct leaving {
      std::atomic<bool>& busy;
      ~leaving() { busy = false; }
    } const at_end{s_->busy};
    expect_alive();
    const auto start = clock::now();
    if (s_->options.checksums)
      s_->host.agree(name_of(what), static_cast<std::uint64_t>(count) * 1000 + sizeof(T) * 10 +
                                        static_cast<std::uint64_t>(what));
    check(ncclGroupStart(), "ncclGroupStart");
    try {
      enqueue();
    } catch (const error&) {
      ncclGroupEnd();  // or the thread's next operations would wait for it
      throw;
    }
    check(ncclGroupEnd(), "ncclGroupEnd");
    wait_for_nccl(name_of(what));
    wait(name_of(what), [&] {
      const cudaError_t found = cudaStreamQuery(s_->stream);
      if (found != cudaErrorNotReady) check(found, name_of(what));
      return found == cudaSuccess;
    });
    traffic::entry& e = s_->counted.at(s_->now, what);
    ++e.calls;
    e.sent += bytes_of<T>(sent);
    e.received += bytes_of<T>(received);
    e.seconds += std::chrono::duration<double>(clock::now() - start).count();
  }

  void expect_alive() {
    if (!s_->abandoned) return;
    const std::lock_guard lock(s_->mutex);
    throw given_up(s_->why);
  }

  /// A call of a polled communicator may return before NCCL has done its part of it.
  void wait_for_nccl(std::string_view what) {
    wait(what, [&] {
      ncclResult_t now = ncclSuccess;
      check(ncclCommGetAsyncError(s_->comm, &now), "ncclCommGetAsyncError");
      return now != ncclInProgress;
    });
  }

  template <class F>
  void wait(std::string_view what, F&& done) {
    const auto start = clock::now();
    try {
      for (;;) {
        const bool is_done = done();
        ncclResult_t now = ncclSuccess;
        check(ncclCommGetAsyncError(s_->comm, &now), "ncclCommGetAsyncError");
        check(now, what);
        if (is_done) return;
        expect_alive();
        const auto waited = clock::now() - start;
        expects(waited < s_->patience, "rank ", rank(), " waited ", s_->options.patience, " s in ",
                what, " for NCCL");
        if (waited < std::chrono::milliseconds(1))
          std::this_thread::yield();
        else
          std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
    } catch (const error& e) {
      // At once: the caller will give back the memory that a kernel may still be writing.
      ncclCommAbort(std::exchange(s_->comm, nullptr));
      abandon(e.what());
      throw;
    }
  }

  std::unique_ptr<state> s_;
};

static_assert(communicator<nccl_group>);

}  // namespace dsr1
