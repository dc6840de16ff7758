// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Rows that the host wants to read: where they lie, or a copy when only the device can read them.
#pragma once

#include <vector>

#include <dsr1/tensor/memory.hpp>
#include <dsr1/tensor/view.hpp>

namespace dsr1 {

/// x [rows, columns], dense, in memory that the host may read: x itself, or a copy in `kept` (then
/// it waits for the device).
template <class Ctx, class T>
view<const T, 2> host_view(Ctx& ctx, view<const T, 2> x, std::vector<T>& kept) {
  expects(x.dense(), "host_view of ", extents_text(x), " with gaps between the rows");
  if (ctx.memory().on_host()) return x;
  kept.resize(static_cast<std::size_t>(x.size()));
  Ctx::backend::download(ctx, x.flat(), kept.data());
  return view<const T, 2>(kept.data(), x.rows(), x.columns());
}

}  // namespace dsr1
