// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Contract: rotary positions, window attention with sinks, and the key-value cache.
#pragma once

#include <algorithm>

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

/// expect_<operation>: what an operation of this group asks of its operands, the same of every
/// backend. Each throws `error` naming what does not fit.
template <class T>
void expect_rotate(const view<T, 2>& x, index_t head_dim, const view<const T, 2>& cosine,
                   const view<const T, 2>& sine, const sequence_layout& sequences) {
  expects(head_dim > 0 && head_dim % 2 == 0 && x.columns() % head_dim == 0 &&
              cosine.columns() >= head_dim / 2 && same_extents(cosine, sine),
          "rotate of ", extents_text(x), " by tables ", extents_text(cosine), " and ",
          extents_text(sine), " in heads of ", head_dim);
  expects_cover(sequences, x.rows());
  for (index_t i = 0; i < sequences.count(); ++i) {
    const sequence s = sequences[i];
    const index_t beyond = std::max<index_t>(0, cosine.rows() - s.position);
    expects(s.length <= beyond, "position ", s.position + beyond, " of row ", s.begin + beyond,
            " is beyond the rotation table of ", cosine.rows(), " positions");
  }
}
template <class T>
void expect_store_cache(const view<const T, 2>& x, const sequence_layout& sequences, index_t ring,
                        const view<T, 2>& cache) {
  expects(ring > 0 && x.columns() == cache.columns(), "store_cache of ", extents_text(x),
          " into a ring of ", ring, " rows of ", extents_text(cache));
  for (index_t i = 0; i < sequences.count(); ++i)
    expects(sequences[i].length <= ring, "sequence ", i, " stores ", sequences[i].length,
            " rows at once in a ring of ", ring);
  expects_cover(sequences, x.rows());
  for (index_t i = 0; i < sequences.count(); ++i)
    expects(sequences[i].length == 0 || sequences[i].slot < cache.rows() / ring, "cache slot ",
            sequences[i].slot, " is beyond the ", cache.rows() / ring, " slots of the cache");
}
template <class T>
void expect_attention(const attention_extents& e, const view<const T, 2>& q,
                      const key_values<T>& kv, const view<const T, 1>& sinks,
                      const sequence_layout& sequences, const view<const T, 2>& y,
                      const view<const T, 2>& lse) {
  expects(e.heads > 0 && e.kv_heads > 0 && e.heads % e.kv_heads == 0, "attention with ", e.heads,
          " heads and ", e.kv_heads, " key-value heads, expected a multiple");
  const index_t size = e.value_size();
  expects(e.value_dim >= 0, "attention with a value_dim of ", e.value_dim,
          ", expected 0 (head_dim) or more");
  expects(q.columns() == e.heads * e.head_dim && kv.keys.columns() == e.kv_heads * e.head_dim &&
              kv.values.columns() == e.kv_heads * size && kv.keys.rows() == kv.values.rows() &&
              (kv.ring > 0 || kv.keys.rows() == q.rows()),
          "attention of q ", extents_text(q), ", k ", extents_text(kv.keys), ", v ",
          extents_text(kv.values), " with ", e.heads, " and ", e.kv_heads, " heads of ", e.head_dim,
          ", values of ", size);
  expects(y.rows() == q.rows() && y.columns() == e.heads * size && lse.rows() == q.rows() &&
              lse.columns() == e.heads,
          "attention of q ", extents_text(q), " into y ", extents_text(y), " and lse ",
          extents_text(lse), " of ", e.heads, " heads, values of ", size);
  expects(sinks.data == nullptr || sinks.rows() == e.heads, "attention: ", sinks.rows(),
          " sinks for ", e.heads, " heads");
  expects(kv.ring % attention_block == 0, "a cache ring of ", kv.ring,
          " rows, expected a multiple of ", attention_block);
  expects_cover(sequences, q.rows());
  for (index_t i = 0; kv.ring > 0 && i < sequences.count(); ++i) {
    const sequence s = sequences[i];
    expects(s.slot < kv.keys.rows() / kv.ring, "cache slot ", s.slot, " is beyond the ",
            kv.keys.rows() / kv.ring, " slots of the cache");
    const index_t seen = s.position + s.length;
    const index_t kept = e.window > 0 ? std::min(seen, e.window - 1 + s.length) : seen;
    expects(kept <= kv.ring, "sequence ", i, " needs ", kept, " positions at once, a ring has ",
            kv.ring);
  }
}
template <class T>
void expect_attention_backward(const attention_extents& e, const view<const T, 2>& q,
                               const key_values<T>& kv, const view<const T, 1>& sinks,
                               const sequence_layout& sequences, const view<const T, 2>& y,
                               const view<const T, 2>& lse, const view<const T, 2>& dy,
                               const view<T, 2>& dq, const view<T, 2>& dk, const view<T, 2>& dv,
                               const view<T, 1>& dsinks) {
  expects(kv.ring == 0, "attention_backward from a cache; train without one");
  expect_attention<T>(e, q, kv, sinks, sequences, y, lse);
  expects(same_extents(y, dy) && same_extents(q, dq) && same_extents(kv.keys, dk) &&
              same_extents(kv.values, dv) && (!sinks.data || same_extents(sinks, dsinks)),
          "attention_backward of q ", extents_text(q), ", k ", extents_text(kv.keys), ", v ",
          extents_text(kv.values), ", y ", extents_text(y), ": dy ", extents_text(dy), ", dq ",
          extents_text(dq), ", dk ", extents_text(dk), ", dv ", extents_text(dv), ", dsinks ",
          extents_text(dsinks));
}

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
