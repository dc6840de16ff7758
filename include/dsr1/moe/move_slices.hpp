// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// One slice per expert travels from one placement to another.
#pragma once

#include <utility>
#include <vector>

#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/moe/placement.hpp>
#include <dsr1/tensor/buffer.hpp>
#include <dsr1/tensor/workspace.hpp>

namespace dsr1 {

/// `slices` holds slice_size numbers for each slot of this rank in `from`, and afterwards for each
/// slot in `to`, in new memory of the context. Collective. A rank that gains an expert gets it from
/// the holder that it asks under `from`; every such slice is sent once, all others are only copied:
/// transfers(from, to) slice_size numbers in all, counted as purpose::weights. Throws `error` when
/// the placements or the size do not fit.
template <class Ctx, class T>
  requires tensor_ops<Ctx, T>
void move_slices(Ctx& ctx, const placement& from, const placement& to, index_t slice_size,
                 buffer<T>& slices) {
  auto& comm = ctx.comm();
  expects(from.ranks() == comm.size(), "move_slices from a placement over ", from.ranks(),
          " ranks in a communicator of ", comm.size());
  transfers(from, to);  // throws unless they are of one size
  const int me = comm.rank();
  const auto held = static_cast<index_t>(from.held(me).size());
  expects(slices.size() == held * slice_size, "move_slices of ", slices.size(), " numbers: rank ",
          me, " holds ", held, " experts of ", slice_size, " each");
  const auto slot_of = [&](index_t e) {
    for (const placement::holder& h : from.holders(e))
      if (h.rank == me) return h.slot;
    return index_t{-1};
  };

  std::vector<index_t> leaving;  // slots
  std::vector<index_t> sends(static_cast<std::size_t>(comm.size())), receives(sends.size());
  for (int r = 0; comm.size() > 1 && r < comm.size(); ++r) {
    const std::vector<placement::holder> asked = from.asked_by(r);
    for (const index_t e : to.held(r)) {
      const placement::holder h = asked[static_cast<std::size_t>(e)];
      if (h.rank == r) continue;
      if (h.rank == me) {
        leaving.push_back(h.slot);
        sends[static_cast<std::size_t>(r)] += slice_size;
      }
      if (r == me) receives[static_cast<std::size_t>(h.rank)] += slice_size;
    }
  }
  const workspace::scope scope(ctx.workspace());
  index_t arriving = 0;
  std::vector<index_t> next;  // slice that comes next from each rank
  for (const index_t n : receives) {
    next.push_back(arriving / std::max<index_t>(1, slice_size));
    arriving += n;
  }
  const auto out = ctx.template take<T>(static_cast<index_t>(leaving.size()), slice_size);
  const auto in = ctx.template take<T>(arriving);
  const auto slice = [&](T* data, index_t i) {
    return view<T, 2>(data + i * slice_size, index_t{1}, slice_size);
  };
  const auto copy = [&](view<T, 2> a, view<T, 2> b) {
    Ctx::backend::copy(ctx, view<const T, 2>(a), b);
  };
  for (index_t i = 0; i < out.rows(); ++i)
    copy(slice(slices.data(), leaving[static_cast<std::size_t>(i)]), out.slice_rows(i, 1));
  {
    const scoped_purpose as(comm, purpose::weights);
    comm.all_to_all_v(view<const T, 1>(out.flat()), sends, in, receives);
  }

  const std::vector<placement::holder> asked = from.asked_by(me);
  buffer<T> moved(static_cast<index_t>(to.held(me).size()) * slice_size, ctx.memory());
  for (index_t s = 0; s < static_cast<index_t>(to.held(me).size()); ++s) {
    const index_t e = to.held(me)[static_cast<std::size_t>(s)], kept = slot_of(e);
    const auto source = static_cast<std::size_t>(asked[static_cast<std::size_t>(e)].rank);
    copy(kept >= 0 ? slice(slices.data(), kept) : slice(in.data, next[source]++),
         slice(moved.data(), s));
  }
  slices = std::move(moved);
}

}  // namespace dsr1
