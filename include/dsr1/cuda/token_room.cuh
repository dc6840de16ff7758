// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Where one thread of a gate works on its token: rows that no two lanes reach in the same bank.
#pragma once

#include <algorithm>
#include <span>

#include <dsr1/cuda/launch.cuh>
#include <dsr1/cuda/warp.cuh>

namespace dsr1 {

/// The rows of the tokens of one warp, `parts` times `experts` elements each: in the shared memory
/// of the block, or outside when the experts are too many for it. A block is one warp, and thread n
/// has the n-th of its tokens.
template <class T>
struct token_room {
  static constexpr index_t shared_elements = 48000 / static_cast<index_t>(sizeof(T));
  static constexpr index_t outside_tokens = 1024;  ///< of one launch

  index_t tokens;  ///< of all blocks
  index_t experts;
  index_t stride;  ///< odd, so that the same element of all rows lies in different banks
  index_t per;     ///< tokens of a block
  T* outside = nullptr;

  token_room(index_t token_count, index_t expert_count, index_t parts)
      : tokens(token_count),
        experts(expert_count),
        stride(parts * expert_count / 2 * 2 + 1),
        per(std::min<index_t>(warp_size, shared_elements / stride)) {}

  /// f(room, first token) for as many tokens as one launch may have.
  template <class Ctx, class F>
  static void for_each(Ctx& ctx, index_t tokens, index_t experts, index_t parts, F&& f) {
    token_room all(tokens, experts, parts);
    if (all.per > 0) return f(all, index_t{0});
    all.per = warp_size;
    const workspace::scope scope(ctx.workspace());
    const auto memory = ctx.template take<T>(std::min(tokens, outside_tokens), all.stride);
    all.outside = memory.data;
    for (index_t first = 0; first < tokens; first += outside_tokens) {
      all.tokens = std::min(outside_tokens, tokens - first);
      f(all, first);
    }
  }
  index_t blocks() const { return ceil_div(tokens, per); }

  __device__ index_t first() const { return static_cast<index_t>(blockIdx.x) * per; }
  __device__ index_t count() const {
    const index_t left = tokens - first();
    return left < per ? left : per;
  }
  /// The token of this thread, or -1.
  __device__ index_t token() const {
    return threadIdx.x < count() ? first() + threadIdx.x : index_t{-1};
  }
  /// Part `part` of the row of this thread, `parts` parts long.
  __device__ std::span<T> own(T* shared, index_t part, index_t parts = 1) const {
    return {row(shared, threadIdx.x) + part * experts, static_cast<std::size_t>(parts * experts)};
  }

  /// Rows of a matrix to part `part` of the rows of the block, and back: whole lines at a time. All
  /// threads take part, and a barrier parts them from what threads do with their own rows.
  __device__ void load(T* shared, index_t part, view<const T, 2> from) const {
    for (index_t r = 0; r < count(); ++r)
      for (index_t e = threadIdx.x; e < experts; e += warp_size)
        row(shared, r)[part * experts + e] = from(first() + r, e);
  }
  __device__ void store(T* shared, index_t part, view<T, 2> to) const {
    for (index_t r = 0; r < count(); ++r)
      for (index_t e = threadIdx.x; e < experts; e += warp_size)
        to(first() + r, e) = row(shared, r)[part * experts + e];
  }

 private:
  __device__ T* row(T* shared, index_t r) const {
    return outside ? outside + (first() + r) * stride : shared + r * stride;
  }
};

}  // namespace dsr1
