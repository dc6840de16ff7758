// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What a communicator is: the ranks of a run and how they combine their tensors.
#pragma once

#include <concepts>
#include <span>

#include <dsr1/comm/transport.hpp>
#include <dsr1/tensor/view.hpp>

namespace dsr1 {

/// A group of ranks that call the same operations in the same order.
///     all_reduce(v)                               v = the sum over the ranks
///     reduce_scatter(v, counts, mine)             the own part of that sum
///     all_gather(mine, counts, all)               the parts of all ranks
///     all_to_all_v(in, sends, out, receives)      part p of `in` goes to rank p
///     broadcast(v, root), barrier()
///     split(colour, key), duplicate()             groups of their own
///     agree(what, value)                          throws unless all ranks gave the same
///     abandon(why)                                what this rank waits for throws; from any thread
///     count_as(purpose), counted()                what the bytes are counted under, and the counts
/// Sums have a fixed order, so that a given number of ranks gives the same bits every time. Each
/// operation is also to be had as a handle: see `async`.
template <class C>
concept communicator = requires(C& comm, const C& readable, view<float, 1> f,
                                view<const float, 1> in, view<double, 1> d, view<std::byte, 1> b,
                                view<const std::byte, 1> bytes, std::span<const index_t> counts) {
  { readable.rank() } -> std::convertible_to<int>;
  { readable.size() } -> std::convertible_to<int>;
  comm.all_reduce(f);
  comm.all_reduce(d);
  comm.reduce_scatter(in, counts, f);
  comm.all_gather(in, counts, f);
  comm.all_to_all_v(in, counts, f, counts);
  comm.all_to_all_v(bytes, counts, b, counts);
  comm.broadcast(f, int{});
  comm.barrier();
  { comm.split(int{}, int{}) };
  { comm.duplicate() };
  comm.agree("", std::uint64_t{});
  comm.abandon("");
  { comm.count_as(purpose::gradient) } -> std::same_as<purpose>;
  { comm.counted() } -> std::convertible_to<const traffic&>;
};

}  // namespace dsr1
