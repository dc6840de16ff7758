// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The battery of a communicator: every operation against a naive loop over the ranks. Ranks may be
// threads, so it throws `error` instead of using the macros of the test framework.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include <dsr1/comm/async.hpp>
#include <dsr1/comm/rank_group.hpp>
#include <dsr1/core/hash.hpp>

namespace battery {

using dsr1::expects;
using dsr1::index_t;
using dsr1::operation;
using dsr1::reduction;
using dsr1::view;

/// Three bytes: moved, not added.
struct odd_sized {
  std::uint8_t bytes[3];
  bool operator==(const odd_sized&) const = default;
};

/// What rank r holds; every rank can compute it of every other.
template <class T>
std::vector<T> numbers(int rank, index_t n, std::uint64_t seed) {
  std::vector<T> v(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < v.size(); ++i) {
    // The widths of float and double are used up, so that sums in another order have other bits.
    std::uint64_t x = (seed * 1000 + static_cast<std::uint64_t>(rank) + 1) * 0x9e3779b97f4a7c15u +
                      i * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 31)) * 0x94d049bb133111ebu;
    x ^= x >> 29;
    if constexpr (std::is_floating_point_v<T>)
      v[i] = static_cast<T>(static_cast<double>(x >> 11) * 0x1p-53 * (x % 7 == 0 ? 1e4 : 1) - 0.5);
    else if constexpr (std::is_integral_v<T>)
      v[i] = static_cast<T>(static_cast<T>(x >> 8) / 8);
    else
      std::memcpy(&v[i], &x, sizeof(T));
  }
  return v;
}

template <class T>
view<T, 1> all_of(std::vector<T>& v) {
  return view<T, 1>(v.data(), static_cast<index_t>(v.size()));
}
template <class T>
view<const T, 1> all_of(const std::vector<T>& v) {
  return view<const T, 1>(v.data(), static_cast<index_t>(v.size()));
}

/// The same bits.
template <class T>
void expect_same(const std::vector<T>& is, const std::vector<T>& should, const std::string& what) {
  expects(is.size() == should.size(), what, ": ", is.size(), " elements, expected ", should.size());
  for (std::size_t i = 0; i < is.size(); ++i)
    expects(std::memcmp(&is[i], &should[i], sizeof(T)) == 0, what, ": element ", i, " of ",
            is.size(), " is wrong");
}

/// The sum over the ranks, in their order and in T.
template <class T>
std::vector<T> reduced(int ranks, index_t n, std::uint64_t seed, reduction how) {
  std::vector<T> all = numbers<T>(0, n, seed);
  for (int r = 1; r < ranks; ++r) {
    const std::vector<T> v = numbers<T>(r, n, seed);
    for (std::size_t i = 0; i < v.size(); ++i)
      all[i] = how == reduction::sum   ? static_cast<T>(all[i] + v[i])
               : how == reduction::max ? std::max(all[i], v[i])
                                       : std::min(all[i], v[i]);
  }
  return all;
}

/// Bytes that one operation counted must be these, and under the operation's own name.
template <class Comm, class F>
void expect_bytes(Comm& comm, operation what, std::uint64_t sent, std::uint64_t received, F&& run) {
  const auto purpose = comm.count_as(dsr1::purpose::dispatch);
  const dsr1::traffic before = comm.counted();
  run();
  dsr1::traffic after = comm.counted();
  comm.count_as(purpose);
  const auto all = after.total(), was = before.total();
  expects(all.sent - was.sent == sent && all.received - was.received == received, name_of(what),
          " counted ", all.sent - was.sent, " bytes sent and ", all.received - was.received,
          " received, expected ", sent, " and ", received);
  dsr1::traffic earlier = before;
  const auto under = [&](dsr1::traffic& t) { return t.at(dsr1::purpose::dispatch, what).sent; };
  expects(under(after) - under(earlier) == sent, "counted under another name than ", name_of(what));
}

template <class T, class Comm>
void all_reduce(Comm& comm, index_t n, reduction how = reduction::sum) {
  const int w = comm.size();
  const auto bytes = [](index_t count) { return static_cast<std::uint64_t>(count) * sizeof(T); };
  std::uint64_t moved = 0;  // the formulas of the operation's comment
  if (n * static_cast<index_t>(sizeof(T)) * (w - 1) <= dsr1::rank_group::small_bytes) {
    moved = bytes(n * (w - 1));
  } else {
    for (index_t first = 0; first < n; first += index_t{1} << 22) {
      const index_t part = std::min(n - first, index_t{1} << 22);
      const index_t own = dsr1::share_size(part, comm.rank(), w);
      moved += bytes(part - own + (w - 1) * own);
    }
  }
  std::vector<T> v = numbers<T>(comm.rank(), n, 1);
  expect_bytes(comm, operation::all_reduce, moved, moved, [&] { comm.all_reduce(all_of(v), how); });
  expect_same(v, reduced<T>(w, n, 1, how), dsr1::text("all_reduce of ", n));
}

/// How n elements may be spread over the ranks: evenly, not at all evenly, nothing for most.
inline std::vector<std::vector<index_t>> spreads(int ranks, index_t n) {
  std::vector<std::vector<index_t>> all(3, std::vector<index_t>(static_cast<std::size_t>(ranks)));
  for (int r = 0; r < ranks; ++r) {
    const auto i = static_cast<std::size_t>(r);
    all[0][i] = n;
    all[1][i] = r * n + (r % 2);
    all[2][i] = r == ranks - 1 ? n : 0;
  }
  return all;
}
inline index_t sum_of(const std::vector<index_t>& counts, std::size_t before) {
  index_t sum = 0;
  for (std::size_t i = 0; i < before; ++i) sum += counts[i];
  return sum;
}

template <class T>
std::vector<T> part(const std::vector<T>& v, index_t first, index_t count) {
  return {v.begin() + first, v.begin() + first + count};
}

template <class T, class Comm>
void reduce_scatter(Comm& comm, index_t n, reduction how = reduction::sum) {
  const auto me = static_cast<std::size_t>(comm.rank());
  for (const auto& counts : spreads(comm.size(), n)) {
    const index_t all = sum_of(counts, counts.size());
    const std::vector<T> v = numbers<T>(comm.rank(), all, 2);
    std::vector<T> mine(static_cast<std::size_t>(counts[me]));
    expect_bytes(comm, operation::reduce_scatter,
                 static_cast<std::uint64_t>(all - counts[me]) * sizeof(T),
                 static_cast<std::uint64_t>(counts[me] * (comm.size() - 1)) * sizeof(T),
                 [&] { comm.reduce_scatter(all_of(v), counts, all_of(mine), how); });
    expect_same(mine, part(reduced<T>(comm.size(), all, 2, how), sum_of(counts, me), counts[me]),
                dsr1::text("reduce_scatter of ", all));
  }
}

template <class T, class Comm>
void all_gather(Comm& comm, index_t n) {
  const auto me = static_cast<std::size_t>(comm.rank());
  for (const auto& counts : spreads(comm.size(), n)) {
    std::vector<T> should;
    for (int r = 0; r < comm.size(); ++r) {
      const auto v = numbers<T>(r, counts[static_cast<std::size_t>(r)], 3);
      should.insert(should.end(), v.begin(), v.end());
    }
    const auto total = static_cast<index_t>(should.size());
    const auto sent = static_cast<std::uint64_t>(counts[me] * (comm.size() - 1)) * sizeof(T);
    const auto received = static_cast<std::uint64_t>(total - counts[me]) * sizeof(T);
    const std::vector<T> mine = numbers<T>(comm.rank(), counts[me], 3);
    std::vector<T> all(should.size());
    expect_bytes(comm, operation::all_gather, sent, received,
                 [&] { comm.all_gather(all_of(mine), counts, all_of(all)); });
    expect_same(all, should, dsr1::text("all_gather of ", total));
    // The own part in its place.
    std::fill(all.begin(), all.end(), T{});
    const view<T, 1> own = all_of(all).slice_rows(sum_of(counts, me), counts[me]);
    std::copy(mine.begin(), mine.end(), own.data);
    comm.all_gather(view<const T, 1>(own), counts, all_of(all));
    expect_same(all, should, "all_gather in place");
  }
  std::vector<T> all(static_cast<std::size_t>(n * comm.size()));
  const std::vector<T> mine = numbers<T>(comm.rank(), n, 3);
  comm.all_gather(all_of(mine), all_of(all));
  for (int r = 0; r < comm.size(); ++r)
    expect_same(part(all, r * n, n), numbers<T>(r, n, 3), "all_gather of equal parts");
}

template <class T, class Comm>
void all_to_all(Comm& comm, index_t n) {
  const auto count = [&](int from, int to) { return n * ((from * 7 + to * 3) % 5) + (to % 2) * n; };
  const auto cut = [&](int from, int to) { return numbers<T>(from, count(from, to), to + 10u); };
  const int w = comm.size(), me = comm.rank();
  std::vector<index_t> sends, receives;
  std::vector<T> in, should;
  for (int p = 0; p < w; ++p) {
    sends.push_back(count(me, p));
    receives.push_back(count(p, me));
    const auto mine = cut(me, p), theirs = cut(p, me);
    in.insert(in.end(), mine.begin(), mine.end());
    should.insert(should.end(), theirs.begin(), theirs.end());
  }
  std::vector<T> out(should.size());
  const auto own = static_cast<std::size_t>(count(me, me));
  expect_bytes(comm, operation::all_to_all, (in.size() - own) * sizeof(T),
               (out.size() - own) * sizeof(T),
               [&] { comm.all_to_all_v(all_of(std::as_const(in)), sends, all_of(out), receives); });
  expect_same(out, should, dsr1::text("all_to_all_v of ", n));
}

template <class T, class Comm>
void broadcast(Comm& comm, index_t n) {
  const int w = comm.size(), me = comm.rank();
  const bool whole = n * static_cast<index_t>(sizeof(T)) * (w - 1) <= dsr1::rank_group::small_bytes;
  const index_t own = whole ? 0 : dsr1::share_size(n, me, w);
  for (int root = 0; root < w; ++root) {
    const index_t sent = whole        ? (me == root ? n * (w - 1) : 0)
                         : me == root ? n - own + (w - 1) * own
                                      : (w - 2) * own;
    std::vector<T> v = numbers<T>(me, n, 4);
    expect_bytes(comm, operation::broadcast, static_cast<std::uint64_t>(sent) * sizeof(T),
                 me == root ? 0 : static_cast<std::uint64_t>(n) * sizeof(T),
                 [&] { comm.broadcast(all_of(v), root); });
    expect_same(v, numbers<T>(root, n, 4), dsr1::text("broadcast of ", n, " from ", root));
  }
}

/// Every operation, once per size: nothing, one, fewer than ranks, more, above `small_bytes`.
template <class Comm>
void operations(Comm& comm) {
  for (const index_t n : {0, 1, 3, 100, 2731, 5000, 20'001}) {
    for (const reduction how : {reduction::sum, reduction::max, reduction::min}) {
      all_reduce<float>(comm, n, how);
      all_reduce<std::int32_t>(comm, n, how);
      reduce_scatter<float>(comm, n, how);
    }
    all_reduce<double>(comm, n);
    all_reduce<std::uint8_t>(comm, n);
    reduce_scatter<double>(comm, n);
    reduce_scatter<std::int64_t>(comm, n);
    all_gather<float>(comm, n);
    all_gather<odd_sized>(comm, n);
    all_to_all<float>(comm, n);
    all_to_all<std::byte>(comm, n);
    broadcast<double>(comm, n);
    broadcast<std::byte>(comm, n);
    comm.barrier();
  }
  all_reduce<std::uint8_t>(comm, (index_t{1} << 22) + 5);  // more than one segment
}

/// Groups made of groups.
template <class Comm>
void groups(Comm& comm) {
  const int w = comm.size(), me = comm.rank();
  auto half = comm.split(me % 2);
  expects(half.size() == (w + 1 - me % 2) / 2 && half.rank() == me / 2, "split by parity: rank ",
          half.rank(), " of ", half.size());
  all_reduce<float>(half, 5000);
  auto reversed = comm.split(7, -me);
  expects(reversed.size() == w && reversed.rank() == w - 1 - me, "split by key: rank ",
          reversed.rank(), " of ", reversed.size());
  all_to_all<float>(reversed, 100);
  auto alone = half.split(half.rank());
  expects(alone.size() == 1 && alone.rank() == 0, "split into single ranks: ", alone.size());
  all_reduce<float>(alone, 10);
  auto copy = comm.duplicate();
  expects(copy.size() == w && copy.rank() == me, "duplicate: rank ", copy.rank());
  expects(copy.counted().total().sent == 0, "a new group has counted nothing");
  all_gather<double>(copy, 10);
  comm.agree("the number of ranks", static_cast<std::uint64_t>(w));
}

/// Operations beside the program: in their order, however they are waited for.
template <class Comm>
void handles(Comm& comm) {
  const int w = comm.size(), me = comm.rank();
  constexpr int many = 12;
  std::vector<std::vector<float>> v;
  for (int i = 0; i < many; ++i) v.push_back(numbers<float>(me, 1000 * i + 1, 5));
  dsr1::async side(comm.duplicate());
  std::vector<dsr1::handle> started;
  for (auto& x : v) started.push_back(side.start([&x](auto& c) { c.all_reduce(all_of(x)); }));
  all_reduce<float>(comm, 3000);  // meanwhile, in the other group
  for (int i = many - 1; i >= 0; --i) started[static_cast<std::size_t>(i)].wait();
  for (int i = 0; i < many; ++i) {
    expects(started[static_cast<std::size_t>(i)].done(), "waited for and not done");
    expect_same(v[static_cast<std::size_t>(i)], reduced<float>(w, 1000 * i + 1, 5, reduction::sum),
                "all_reduce with a handle");
  }
  started.back().wait();  // again
  dsr1::handle none;
  none.wait();
  expects(none.done() && side.seconds() >= 0, "an empty handle is done");
}

/// Three times the same: the same bits, on every rank.
template <class Comm>
void repetition(Comm& comm) {
  std::uint64_t first = 0;
  for (int i = 0; i < 3; ++i) {
    std::vector<float> v = numbers<float>(comm.rank(), 30'000, 6);
    comm.all_reduce(all_of(v));
    dsr1::content_hash hash;
    hash.add(v.data(), v.size() * sizeof(float));
    if (i == 0) first = hash.value();
    expects(hash.value() == first, "repetition ", i, " has other bits");
    comm.agree("the bits of the sum", hash.value());
  }
}

template <class Comm>
void communicator(Comm& comm) {
  operations(comm);
  groups(comm);
  handles(comm);
  repetition(comm);
}

}  // namespace battery
