// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// How attention is cut into blocks of queries and keys, and the scratch of a thread.
#pragma once

#include <algorithm>
#include <utility>

#include <dsr1/backend/attention_ops.hpp>

namespace dsr1::attention_blocks {

inline constexpr index_t q_block = 64;
inline constexpr index_t k_block = attention_block;
/// Heads of one task: those of a large group (all heads, in latent attention) are shared out.
inline constexpr index_t head_block = 16;

/// One block of keys of one sequence: positions [first, first + count), rows from `row`.
struct key_block {
  index_t first;
  index_t count;
  index_t row;
};

/// The block from position `first` on, of a sequence whose queries end before `end`.
inline key_block block_at(index_t ring, const sequence& s, index_t first, index_t end) {
  const index_t begin = ring == 0 ? std::max(first, s.position) : first;
  const index_t row = ring == 0 ? s.begin + begin - s.position : s.slot * ring + begin % ring;
  return {begin, std::min(first + k_block, end) - begin, row};
}

/// The part [low, high) of a key block that the query at `position` sees.
struct span_of_keys {
  int low, high;
};
inline span_of_keys seen(index_t window, const key_block& b, index_t position) {
  const index_t oldest = window > 0 ? position - window + 1 : 0;
  return {static_cast<int>(std::max<index_t>(0, oldest - b.first)),
          static_cast<int>(std::min(b.count, position + 1 - b.first))};
}

/// The first key position, aligned to a block, that a query at `position` sees.
inline index_t first_block(index_t window, const sequence& s, index_t position, index_t ring) {
  const index_t oldest = window > 0 ? std::max<index_t>(0, position - window + 1) : 0;
  return std::max(oldest, ring == 0 ? s.position : 0) / k_block * k_block;
}

/// Narrows the queries [first, last) of a block to those that see anything of the key block.
inline void visible_queries(index_t window, const key_block& b, index_t& first, index_t& last) {
  first = std::max(first, b.first);
  if (window > 0) last = std::min(last, b.first + b.count - 1 + window);
}

/// The columns of head h of a tensor [rows, heads size].
template <class T>
view<T, 2> head(const view<T, 2>& x, index_t h, index_t size) {
  return x.slice_columns(h * size, size);
}

/// Packed operands, scores and running sums of one thread, all in one row of memory.
template <class T>
struct scratch {
  T *keys, *values, *values_transposed, *queries, *scores, *gradient, *tile, *top, *sum;

  static index_t size(const attention_extents& e, index_t heads) {
    return 3 * packed(k_block, e) + packed(q_block, e) + 2 * q_block * k_block + tile_size(e) +
           2 * heads * q_block;
  }
  scratch(T* memory, const attention_extents& e, index_t heads) {
    auto take = [&](index_t n) { return std::exchange(memory, memory + n); };
    keys = take(packed(k_block, e));
    values = take(packed(k_block, e));
    values_transposed = take(packed(k_block, e));
    queries = take(packed(q_block, e));
    scores = take(q_block * k_block);
    gradient = take(q_block * k_block);
    tile = take(tile_size(e));
    top = take(heads * q_block);
    sum = take(heads * q_block);
  }

 private:
  static index_t longest(const attention_extents& e) {
    return std::max(e.head_dim, e.value_size());
  }
  static index_t packed(index_t rows, const attention_extents& e) {
    return round_up(rows, 32) * round_up(longest(e), 32);
  }
  static index_t tile_size(const attention_extents& e) {
    return 8 * (std::max(longest(e), q_block) + 32);
  }
};

}  // namespace dsr1::attention_blocks
