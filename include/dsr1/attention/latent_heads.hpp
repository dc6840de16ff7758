// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The sizes of latent attention, and where its heads lie in the tensors that hold all of them.
#pragma once

#include <dsr1/tensor/view.hpp>

namespace dsr1 {

/// Which of two equal computations latent attention makes.
///     naive      expands keys and values of every head: the least work for many queries
///     absorbed   folds the expansion into queries and results, so that all heads read the latent
///                itself: the least memory, and the least work for few queries after many keys
enum class latent_form { naive, absorbed };

struct latent_shape {
  index_t dim = dynamic;
  index_t heads = dynamic;
  index_t q_rank = dynamic;     ///< 0: queries are not compressed
  index_t kv_rank = dynamic;    ///< of the latent
  index_t plain_dim = dynamic;  ///< of a head of q and k without rotation
  index_t rope_dim = dynamic;   ///< of a head of q, and of the key that all heads share
  index_t value_dim = dynamic;

  constexpr index_t head_dim() const { return plain_dim + rope_dim; }
  /// Trained numbers of a layer of this shape, without the norm before it.
  constexpr index_t parameters() const {
    const index_t q =
        q_rank > 0 ? q_rank * (dim + 1 + heads * head_dim()) : dim * heads * head_dim();
    return q + (kv_rank + rope_dim) * dim + kv_rank + heads * (plain_dim + value_dim) * kv_rank +
           dim * heads * value_dim;
  }
  /// What a layer of this shape caches for `tokens` tokens, in numbers.
  constexpr index_t cached(latent_form form, index_t tokens) const {
    return tokens *
           (form == latent_form::naive ? heads * (head_dim() + value_dim) : kv_rank + rope_dim);
  }
};

/// The same columns of every head of a tensor [rows, columns].
template <class T>
struct head_columns {
  view<T, 2> all;
  index_t first, step, size;

  view<T, 2> operator[](index_t h) const { return all.slice_columns(first + h * step, size); }
  /// The heads of the first row, one below the other.
  view<T, 2> of_first_row(index_t heads) const {
    view<T, 2> v(all.data + first, heads, size);
    v.stride = step;
    return v;
  }
};

/// Where each head lies in
///     q and expanded k   [rows, heads (plain_dim + rope_dim)]
///     values             [rows, heads value_dim]
///     absorbed queries   [rows, heads (kv_rank + rope_dim)]
///     absorbed results   [rows, heads kv_rank]
///     W_kv_up            [heads (plain_dim + value_dim), kv_rank]
struct latent_heads {
  latent_shape n;

  template <class T>
  head_columns<T> plain(const view<T, 2>& q) const {
    return {q, 0, n.head_dim(), n.plain_dim};
  }
  template <class T>
  head_columns<T> turned(const view<T, 2>& q) const {
    return {q, n.plain_dim, n.head_dim(), n.rope_dim};
  }
  template <class T>
  head_columns<T> values(const view<T, 2>& v) const {
    return {v, 0, n.value_dim, n.value_dim};
  }
  template <class T>
  head_columns<T> latent(const view<T, 2>& queries) const {
    return {queries, 0, n.kv_rank + n.rope_dim, n.kv_rank};
  }
  template <class T>
  head_columns<T> latent_turned(const view<T, 2>& queries) const {
    return {queries, n.kv_rank, n.kv_rank + n.rope_dim, n.rope_dim};
  }
  template <class T>
  head_columns<T> results(const view<T, 2>& o) const {
    return {o, 0, n.kv_rank, n.kv_rank};
  }
  /// [heads, plain_dim, kv_rank]
  template <class T>
  view<T, 3> key_rows(const view<T, 2>& w) const {
    return rows(w, 0, n.plain_dim);
  }
  /// [heads, value_dim, kv_rank]
  template <class T>
  view<T, 3> value_rows(const view<T, 2>& w) const {
    return rows(w, n.plain_dim, n.value_dim);
  }

 private:
  template <class T>
  view<T, 3> rows(const view<T, 2>& w, index_t first, index_t count) const {
    view<T, 3> v(w.row(first), n.heads, count, n.kv_rank);
    v.stride = (n.plain_dim + n.value_dim) * n.kv_rank;
    return v;
  }
};

}  // namespace dsr1
