// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The ranks of a run over any transport: collectives whose sums have a fixed order.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <utility>
#include <vector>

#include <dsr1/comm/concepts.hpp>
#include <dsr1/comm/shares.hpp>
#include <dsr1/comm/transport.hpp>
#include <dsr1/core/hash.hpp>

namespace dsr1 {

/// A communicator. Sums are taken in the order of the ranks, in the number type itself, so a given
/// number of ranks gives the same bits every time and on every rank, whatever carries them.
/// Views are dense host memory. Every operation throws `error` as `transport::exchange` does, and
/// when a second thread is inside the group. Default-constructed it is a group of one.
class rank_group {
 public:
  rank_group() : s_(std::make_unique<state>()) { make_room(); }
  explicit rank_group(std::unique_ptr<transport> link) : rank_group() {
    s_->rank = link->rank();
    s_->size = link->size();
    s_->link = std::move(link);
    make_room();
  }

  int rank() const { return s_->rank; }
  int size() const { return s_->size; }

  /// v becomes the sum (or maximum, minimum; a NaN stays one) over the ranks. Every rank sends 2
  /// (W-1)/W of v, or (W-1) times v when all of that fits into `small_bytes`, which then takes one
  /// exchange.
  template <class T>
    requires std::is_arithmetic_v<T>
  void all_reduce(view<T, 1> v, reduction how = reduction::sum) {
    if (size() == 1) return;
    const operating in(*this, operation::all_reduce);
    call c = describe<T>(operation::all_reduce, v.rows());
    c.how = how;
    if (is_small(v.rows() * static_cast<index_t>(sizeof(T)))) {
      T* all = scratch<T>(v.rows() * size());
      for (int p = 0; p < size(); ++p) {
        send(p, v.data, v.rows());
        receive(p, all + p * v.rows(), v.rows());
      }
      exchange(c);
      reduce<T>(
          v.data, [&](int p) { return all + p * v.rows(); }, v.rows(), how, v.data);
      return;
    }
    constexpr index_t segment = index_t{1} << 22;  // bounds the scratch
    for (index_t first = 0; first < v.rows(); first += segment) {
      const view<T, 1> part = v.slice_rows(first, std::min(segment, v.rows() - first));
      const index_t mine = share_begin(part.rows(), rank(), size());
      T* own = part.data + mine;
      const index_t count = share_size(part.rows(), rank(), size());
      collect<T>(
          c, [&](int p) { return part.data + share_begin(part.rows(), p, size()); },
          [&](int p) { return share_size(part.rows(), p, size()); }, count, how, own);
      for (int p = 0; p < size(); ++p) {
        send(p, own, count);
        receive(p, part.data + share_begin(part.rows(), p, size()),
                share_size(part.rows(), p, size()));
      }
      exchange(c);
    }
  }

  /// mine[counts[rank()]] = this rank's part of the sum over the ranks of v, whose parts have
  /// counts[r] elements. Every rank sends v without its own part.
  template <class T>
    requires std::is_arithmetic_v<T>
  void reduce_scatter(view<const T, 1> v, std::span<const index_t> counts, view<T, 1> mine,
                      reduction how = reduction::sum) {
    const std::vector<index_t> begin = offsets("reduce_scatter", counts, v.rows());
    expect_rows("reduce_scatter", mine.rows(), counts);
    const operating in(*this, operation::reduce_scatter);
    call c = describe<T>(operation::reduce_scatter, v.rows());
    c.how = how;
    collect<T>(
        c, [&](int p) { return v.data + begin[static_cast<std::size_t>(p)]; },
        [&](int p) { return counts[static_cast<std::size_t>(p)]; }, mine.rows(), how, mine.data);
  }

  /// all = the parts of the ranks one after the other, of counts[r] elements each; `mine` may be
  /// its place there. Every rank sends its part W-1 times.
  template <class T>
  void all_gather(view<const T, 1> mine, std::span<const index_t> counts, view<T, 1> all) {
    const std::vector<index_t> begin = offsets("all_gather", counts, all.rows());
    expect_rows("all_gather", mine.rows(), counts);
    const operating in(*this, operation::all_gather);
    for (int p = 0; p < size(); ++p) {
      send(p, mine.data, mine.rows());
      receive(p, all.data + begin[static_cast<std::size_t>(p)],
              counts[static_cast<std::size_t>(p)]);
    }
    T* own = all.data + begin[static_cast<std::size_t>(rank())];
    if (own != mine.data) std::copy_n(mine.data, mine.rows(), own);
    exchange(describe<T>(operation::all_gather, all.rows()));
  }
  /// The same with parts of one size.
  template <class T>
  void all_gather(view<const T, 1> mine, view<T, 1> all) {
    const std::vector<index_t> counts(static_cast<std::size_t>(size()), mine.rows());
    all_gather(mine, std::span<const index_t>(counts), all);
  }

  /// out[part r] = what rank r has in its part of `in` for this rank: in [sum of send], out [sum of
  /// receive], both in the order of the ranks. The own part is copied.
  template <class T>
  void all_to_all_v(view<const T, 1> in, std::span<const index_t> sends, view<T, 1> out,
                    std::span<const index_t> receives) {
    const std::vector<index_t> to = offsets("all_to_all_v", sends, in.rows()),
                               from = offsets("all_to_all_v", receives, out.rows());
    const operating inside(*this, operation::all_to_all);
    for (std::size_t p = 0; p < sends.size(); ++p) {
      send(static_cast<int>(p), in.data + to[p], sends[p]);
      receive(static_cast<int>(p), out.data + from[p], receives[p]);
    }
    const auto own = static_cast<std::size_t>(rank());
    expects(sends[own] == receives[own], "all_to_all_v: rank ", rank(), " sends ", sends[own],
            " elements to itself and expects ", receives[own]);
    std::copy_n(in.data + to[own], sends[own], out.data + from[own]);
    exchange(describe<T>(operation::all_to_all, 0));
  }

  /// v = the v of rank `root`. The root sends v to everybody, or, when that is more than
  /// `small_bytes`, a part to each, and all gather the parts.
  template <class T>
  void broadcast(view<T, 1> v, int root = 0) {
    expects(root >= 0 && root < size(), "broadcast from rank ", root, " of ", size());
    if (size() == 1) return;
    const operating in(*this, operation::broadcast);
    call c = describe<T>(operation::broadcast, v.rows());
    c.root = root;
    const bool whole = is_small(v.rows() * static_cast<index_t>(sizeof(T)));
    const auto begin = [&](int p) { return whole ? 0 : share_begin(v.rows(), p, size()); };
    const auto count = [&](int p) { return whole ? v.rows() : share_size(v.rows(), p, size()); };
    if (rank() == root)
      for (int p = 0; p < size(); ++p) send(p, v.data + begin(p), count(p));
    else
      receive(root, v.data + begin(rank()), count(rank()));
    exchange(c);
    if (whole) return;
    for (int p = 0; p < size(); ++p) {
      if (p != root) send(p, v.data + begin(rank()), count(rank()));  // the root has all
      if (rank() != root) receive(p, v.data + begin(p), count(p));
    }
    exchange(c);
  }

  void barrier() {
    if (size() == 1) return;
    const operating in(*this, operation::barrier);
    exchange(describe<std::byte>(operation::barrier, 0));
  }

  /// Throws `error` naming the ranks whose value is not that of rank 0. Counted under `control`.
  void agree(std::string_view what, std::uint64_t value) {
    std::vector<std::uint64_t> all(static_cast<std::size_t>(size()));
    const scoped_purpose as(*this, purpose::control);
    all_gather(view<const std::uint64_t, 1>(&value, 1), view<std::uint64_t, 1>(all.data(), size()));
    const auto differs = [&](int r) { return all[static_cast<std::size_t>(r)] != all[0]; };
    for (int r = 0; r < size(); ++r)
      expects(!differs(r), "the ranks disagree on ", what, ": rank 0 has ", hash_text(all[0]), ", ",
              ranks_text(size(), differs), " another, rank ", r, " ",
              hash_text(all[static_cast<std::size_t>(r)]));
  }

  /// The ranks that gave the same colour, at least 0, as a group of their own, ordered by key and
  /// then by rank. Counted under `control`.
  rank_group split(int colour, int key = 0) {
    expects(colour >= 0, "split of a group with the colour ", colour, ", expected at least 0");
    const std::int32_t mine[] = {colour, key};
    std::vector<std::int32_t> all(2 * static_cast<std::size_t>(size()));
    const scoped_purpose as(*this, purpose::control);
    all_gather(view<const std::int32_t, 1>(mine, 2),
               view<std::int32_t, 1>(all.data(), static_cast<index_t>(all.size())));
    std::vector<int> members;
    for (int r = 0; r < size(); ++r)
      if (all[2 * static_cast<std::size_t>(r)] == colour) members.push_back(r);
    std::stable_sort(members.begin(), members.end(), [&](int a, int b) {
      return all[2 * static_cast<std::size_t>(a) + 1] < all[2 * static_cast<std::size_t>(b) + 1];
    });
    if (!s_->link) return {};
    const operating in(*this, operation::barrier);
    return rank_group(s_->link->subgroup(members));
  }
  /// The same ranks with a stream of operations of their own, for a second thread, say.
  rank_group duplicate() { return split(0, rank()); }

  /// From any thread: what this rank is waiting for, and all that it does later, throws `why`.
  void abandon(const std::string& why) {
    if (s_->link) s_->link->abandon(why);
  }

  /// The same group over what wrap(std::unique_ptr<transport>) makes of its transport: one that
  /// delays, say (throttled.hpp). A group of one that has no transport stays as it is.
  template <class F>
  rank_group through(F&& wrap) && {
    if (s_->link) s_->link = wrap(std::move(s_->link));
    return std::move(*this);
  }

  /// What the operations from now on are counted under; returns what it was.
  purpose count_as(purpose p) { return std::exchange(s_->now, p); }
  traffic& counted() { return s_->counted; }
  const traffic& counted() const { return s_->counted; }

  static constexpr index_t small_bytes = 16'384;

 private:
  struct state {
    std::unique_ptr<transport> link;
    int rank = 0, size = 1;
    std::uint64_t exchanges = 0;
    std::vector<outgoing> to;
    std::vector<incoming> from;
    std::vector<std::byte> scratch;
    traffic counted;
    purpose now = purpose::control;
    std::atomic<bool> busy = false;
  };

  /// Marks the group as in use, and measures the time inside.
  class operating {
   public:
    operating(rank_group& g, operation o)
        : s_(*g.s_), what_(o), start_(std::chrono::steady_clock::now()) {
      expects(!s_.busy.exchange(true, std::memory_order_acquire), "rank ", g.rank(), ": ",
              name_of(o), " while another thread is inside this group; give it a `duplicate`");
    }
    ~operating() {
      traffic::entry& e = s_.counted.at(s_.now, what_);
      ++e.calls;
      e.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
      for (outgoing& o : s_.to) o = {};
      for (incoming& i : s_.from) i = {};
      s_.busy.store(false, std::memory_order_release);
    }
    operating(const operating&) = delete;
    operating& operator=(const operating&) = delete;

   private:
    state& s_;
    operation what_;
    std::chrono::steady_clock::time_point start_;
  };

  void make_room() {
    s_->to.resize(static_cast<std::size_t>(size()));
    s_->from.resize(static_cast<std::size_t>(size()));
  }

  bool is_small(index_t bytes) const { return bytes * (size() - 1) <= small_bytes; }

  template <class T>
  static call describe(operation o, index_t count) {
    static_assert(std::is_trivially_copyable_v<T>);
    return {.count = static_cast<std::uint64_t>(count),
            .what = o,
            .kind = std::is_floating_point_v<T> ? 'f'
                    : !std::is_integral_v<T>    ? 'b'
                    : std::is_signed_v<T>       ? 'i'
                                                : 'u',
            .element_bytes = sizeof(T)};
  }

  std::vector<index_t> offsets(std::string_view name, std::span<const index_t> counts,
                               index_t rows) const {
    return offsets_of(name, counts, size(), rows);
  }
  void expect_rows(std::string_view name, index_t rows, std::span<const index_t> counts) const {
    expects(rows == counts[static_cast<std::size_t>(rank())], name, ": rank ", rank(), " has ",
            rows, " elements, its count is ", counts[static_cast<std::size_t>(rank())]);
  }

  template <class T>
  T* scratch(index_t count) {
    const auto bytes = static_cast<std::size_t>(count) * sizeof(T);
    if (s_->scratch.size() < bytes) s_->scratch.resize(bytes);
    return reinterpret_cast<T*>(s_->scratch.data());
  }

  template <class T>
  void send(int peer, const T* data, index_t count) {
    outgoing& o = s_->to[static_cast<std::size_t>(peer)];
    o.data = reinterpret_cast<const std::byte*>(data);
    o.head.bytes = static_cast<std::uint64_t>(count) * sizeof(T);
  }
  template <class T>
  void receive(int peer, T* data, index_t count) {
    incoming& i = s_->from[static_cast<std::size_t>(peer)];
    i.data = reinterpret_cast<std::byte*>(data);
    i.bytes = static_cast<std::size_t>(count) * sizeof(T);
  }

  void exchange(call c) {
    state& s = *s_;
    if (!s.link) return;
    c.number = s.exchanges++;
    const bool checksums = s.link->options().checksums;
    traffic::entry& e = s.counted.at(s.now, c.what);
    for (int p = 0; p < size(); ++p) {
      if (p == rank()) continue;
      outgoing& o = s.to[static_cast<std::size_t>(p)];
      o.head.what = c;
      o.head.expected = s.from[static_cast<std::size_t>(p)].bytes;
      o.head.checksum = checksums ? payload_hash(o.data, o.head.bytes) : 0;
      e.sent += o.head.bytes;
      e.received += s.from[static_cast<std::size_t>(p)].bytes;
    }
    s.link->exchange(s.to, s.from);
    for (int p = 0; checksums && p < size(); ++p) {
      const incoming& i = s.from[static_cast<std::size_t>(p)];
      expects(p == rank() || payload_hash(i.data, i.bytes) == i.head.checksum, "in ", c.text(),
              ", the message of ", i.bytes, " bytes from rank ", p, " to rank ", rank(),
              " arrived with other bytes than were sent: its checksum does not fit");
    }
    for (outgoing& o : s.to) o = {};
    for (incoming& i : s.from) i = {};
  }

  /// Sends part(p) [size_of(p)] to rank p, and reduces the parts of `count` elements that arrive,
  /// with the own one in its place, into `out`.
  template <class T, class Part, class SizeOf>
  void collect(const call& c, Part&& part, SizeOf&& size_of, index_t count, reduction how, T* out) {
    T* arrived = scratch<T>(count * size());
    for (int p = 0; p < size(); ++p) {
      send(p, part(p), size_of(p));
      receive(p, arrived + p * count, count);
    }
    exchange(c);
    reduce<T>(
        part(rank()), [&](int p) { return arrived + p * count; }, count, how, out);
  }

  /// out = part 0 (+) part 1 (+) ..., where the part of the own rank is `own`.
  template <class T, class Part>
  void reduce(const T* own, Part&& part, index_t count, reduction how, T* out) {
    constexpr index_t block = 1024;
    T sum[block];
    for (index_t first = 0; first < count; first += block) {
      const index_t n = std::min(block, count - first);
      for (int p = 0; p < size(); ++p) {
        const T* x = (p == rank() ? own : part(p)) + first;
        if (p == 0)
          std::copy_n(x, n, sum);
        else if (how == reduction::sum)
          for (index_t i = 0; i < n; ++i) sum[i] = static_cast<T>(sum[i] + x[i]);
        else if (how == reduction::max)
          for (index_t i = 0; i < n; ++i)
            sum[i] = picked(sum[i], x[i], sum[i] >= x[i], x[i] > sum[i]);
        else
          for (index_t i = 0; i < n; ++i)
            sum[i] = picked(sum[i], x[i], sum[i] <= x[i], x[i] < sum[i]);
      }
      std::copy_n(sum, n, out + first);
    }
  }

  std::unique_ptr<state> s_;
};

static_assert(communicator<rank_group>);

}  // namespace dsr1
