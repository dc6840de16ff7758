// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What a communicator is: the ranks of a run and how they combine their tensors.
#pragma once

#include <concepts>

#include <dsr1/tensor/view.hpp>

namespace dsr1 {

/// A group of ranks that call the same operations in the same order.
/// `all_reduce(v)` replaces v on every rank by the sum over the ranks, in a fixed order of ranks,
/// so that a given number of ranks gives the same bits every time.
template <class C>
concept communicator = requires(C& comm, const C& readable, view<float, 1> f, view<double, 1> d) {
  { readable.rank() } -> std::convertible_to<int>;
  { readable.size() } -> std::convertible_to<int>;
  comm.all_reduce(f);
  comm.all_reduce(d);
  comm.barrier();
};

}  // namespace dsr1
