// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Contract: rotary positions, window attention with sinks, and the key-value cache.
#pragma once

#include <dsr1/tensor/parameter.hpp>
#include <dsr1/tensor/sequences.hpp>

namespace dsr1 {

/// Which elements of a head form the pairs that are rotated.
enum class rope_layout {
  half_split,  ///< (i, i + d/2): Llama, Mixtral, Qwen, gpt-oss
  interleaved  ///< (2i, 2i + 1): DeepSeek
};

/// The sizes of one attention call.
struct attention_extents {
  index_t heads = 0;
  index_t kv_heads = 0;   ///< divides heads; head h reads the keys of head h / (heads / kv_heads)
  index_t head_dim = 0;   ///< of q and k
  index_t value_dim = 0;  ///< of v and y; 0 means head_dim
  index_t window = 0;     ///< a query sees this many keys, itself included; 0 means all before it
  double scale = 1;       ///< of the scores

  constexpr index_t value_size() const { return value_dim == 0 ? head_dim : value_dim; }
};

/// Where the keys and values of a call are: in rows of the call itself (`ring` = 0), or in a cache
/// where position p of slot s is row s ring + p mod ring. Either may be a slice of the columns of a
/// wider tensor, and both of the same one: latent attention reads its values out of its keys.
template <class T>
struct key_values {
  view<const T, 2> keys;    ///< [rows, kv_heads head_dim]
  view<const T, 2> values;  ///< [rows, kv_heads value_dim]
  index_t ring = 0;
};

/// Keys are visited in blocks of this many positions, aligned at multiples of it, so that the
/// order of every sum depends on positions alone; the length of a ring is a multiple of it.
inline constexpr index_t attention_block = 32;

/// rotate(ctx, x, head_dim, layout, cosine, sine, sequences, inverse)
///     x [tokens, heads head_dim] in place; cosine and sine [positions, head_dim / 2];
///     inverse negates the sine, which is the backward pass
/// store_cache(ctx, x, sequences, ring, cache)   writes row t of x at its slot and position
/// attention(ctx, extents, q, kv, sinks, sequences, y, lse)
///     q [tokens, heads head_dim], y [tokens, heads value_dim]
///     y[t, h] = sum_j softmax(scale q[t, h] k[j]) v[j] over the visible j; with sinks [heads] the
///     sum of the softmax has exp(sinks[h]) in addition; lse [tokens, heads] its logarithm
/// attention_backward(ctx, extents, q, kv, sinks, sequences, y, lse, dy, dq, dk, dv, dsinks, add)
///     kv of the call itself (ring = 0); dq, dk, dv as q, keys, values, all apart; dsinks (+)=
/// The scores are never stored beyond one block of queries and keys.
template <class Ctx, class T>
concept attention_ops =
    requires(Ctx& ctx, const attention_extents& extents, view<T, 2> x, view<const T, 2> y,
             const key_values<T>& kv, view<const T, 1> sinks, view<T, 1> dsinks,
             const sequence_layout& sequences) {
      Ctx::backend::rotate(ctx, x, index_t{}, rope_layout::half_split, y, y, sequences, false);
      Ctx::backend::store_cache(ctx, y, sequences, index_t{}, x);
      Ctx::backend::attention(ctx, extents, y, kv, sinks, sequences, x, x);
      Ctx::backend::attention_backward(ctx, extents, y, kv, sinks, sequences, y, y, y, x, x, x,
                                       dsinks, accumulate::yes);
    };

}  // namespace dsr1
