// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The key-value cache of one attention layer.
#pragma once

#include <algorithm>
#include <vector>

#include <dsr1/backend/attention_ops.hpp>
#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/tensor/buffer.hpp>

namespace dsr1 {

/// How much a cache has to hold.
struct cache_options {
  index_t slots = 1;     ///< sequences at a time
  index_t capacity = 0;  ///< longest sequence
  index_t chunk =
      512;  ///< most tokens of one sequence in one call, and most that can be taken back
};

/// Keys and values of earlier calls, after rotation. A layer with a window keeps a ring of window
/// and chunk only; one without keeps `capacity` positions. Empty until opened; an attention layer
/// whose `saved` holds an open cache reads its keys from there.
///
/// The position of a call says where its sequence goes on: position 0 starts the slot anew; a
/// position before the end takes back what was stored from there on. A cache without a window
/// allows any; in a ring the rows that the window needs must not have been overwritten, which holds
/// for `chunk` tokens before the furthest position since the start. Beyond that, and for a gap,
/// `append` throws `error`.
template <class T>
class kv_cache {
 public:
  /// A cache of keys and of values.
  template <class Ctx>
  void open(Ctx& ctx, const cache_options& options, index_t window, index_t key_columns,
            index_t value_columns) {
    expects(options.slots > 0 && options.capacity > 0 && options.chunk > 0, "a cache of ",
            options.slots, " slots, ", options.capacity, " positions and chunks of ", options.chunk,
            ", expected all above 0");
    window_ = window;
    capacity_ = options.capacity;
    ring_ = round_up(options.capacity, attention_block);
    if (window > 0)
      ring_ = std::min(ring_, round_up(window + options.chunk, attention_block) + attention_block);
    slots_ = options.slots;
    key_columns_ = key_columns;
    value_columns_ = value_columns;
    joint_ = false;
    stored_.assign(static_cast<std::size_t>(slots_), 0);
    keys_ = filled(ctx, key_columns);
    values_ = filled(ctx, value_columns);
  }

  /// A cache of one tensor, whose first `value_columns` columns are the values.
  template <class Ctx>
  void open_joint(Ctx& ctx, const cache_options& options, index_t window, index_t columns,
                  index_t value_columns) {
    expects(value_columns > 0 && value_columns <= columns, "a cache of one tensor with ", columns,
            " columns, ", value_columns, " of them values, expected 1 to ", columns);
    open(ctx, options, window, columns, 0);
    value_columns_ = value_columns;
    joint_ = true;
  }

  bool is_open() const { return ring_ > 0; }
  /// Whether values are columns of the keys.
  bool is_joint() const { return joint_; }
  index_t bytes() const {
    return (keys_.size() + values_.size()) * static_cast<index_t>(sizeof(T));
  }

  /// Appends the keys and values of a call and returns where all of them are.
  template <class Ctx>
  key_values<T> append(Ctx& ctx, view<const T, 2> keys, view<const T, 2> values,
                       const sequence_layout& sequences) {
    expects(!joint_, "keys and values for a cache of one tensor");
    advance(sequences);
    const auto all_values = values_.as(slots_ * ring_, value_columns_);
    Ctx::backend::store_cache(ctx, values, sequences, ring_, all_values);
    return {store_keys(ctx, keys, sequences), all_values, ring_};
  }

  /// The same for a cache of one tensor.
  template <class Ctx>
  key_values<T> append(Ctx& ctx, view<const T, 2> rows, const sequence_layout& sequences) {
    expects(joint_, "one tensor for a cache of keys and values");
    advance(sequences);
    const view<const T, 2> all = store_keys(ctx, rows, sequences);
    return {all, all.slice_columns(0, value_columns_), ring_};
  }

 private:
  template <class Ctx>
  buffer<T> filled(Ctx& ctx, index_t columns) const {
    buffer<T> rows(slots_ * ring_ * columns, ctx.memory());
    // Rows that were never written are masked, but must not hold NaN: 0 times NaN is NaN.
    Ctx::backend::fill(ctx, rows.as(rows.size()), T(0));
    return rows;
  }

  template <class Ctx>
  view<const T, 2> store_keys(Ctx& ctx, view<const T, 2> keys, const sequence_layout& sequences) {
    const auto all = keys_.as(slots_ * ring_, key_columns_);
    Ctx::backend::store_cache(ctx, keys, sequences, ring_, all);
    return all;
  }

  /// Checks where the sequences of a call go on, and notes how far they get.
  void advance(const sequence_layout& sequences) {
    for (index_t i = 0; i < sequences.count(); ++i) check(i, sequences[i]);
    for (index_t i = 0; i < sequences.count(); ++i) {
      const sequence s = sequences[i];
      if (s.length == 0) continue;
      index_t& stored = stored_[static_cast<std::size_t>(s.slot)];
      stored = std::max(s.position == 0 ? 0 : stored, s.position + s.length);
    }
  }

  void check(index_t i, const sequence& s) const {
    expects(s.slot < slots_, "sequence ", i, " uses cache slot ", s.slot, ", the cache has ",
            slots_);
    expects(s.position + s.length <= capacity_, "sequence ", i, " reaches position ",
            s.position + s.length, ", the cache holds ", capacity_);
    expects(ring_ >= capacity_ || s.length + window_ <= ring_, "sequence ", i, " adds ", s.length,
            " tokens at once, the cache's window and chunk allow ", ring_ - window_);
    const index_t stored = stored_[static_cast<std::size_t>(s.slot)];
    expects(s.position <= stored, "sequence ", i, " goes on at position ", s.position,
            ", cache slot ", s.slot, " holds ", stored);
    const index_t oldest = std::max<index_t>(0, s.position - window_ + 1);
    expects(s.position == 0 || ring_ >= capacity_ || oldest >= stored - ring_, "sequence ", i,
            " takes back ", stored - s.position, " tokens, the ring of cache slot ", s.slot,
            " allows ", ring_ - window_ + 1);
  }

  buffer<T> keys_, values_;
  std::vector<index_t> stored_;  ///< per slot, the furthest position since its start
  index_t ring_ = 0;
  index_t window_ = 0;
  index_t capacity_ = 0;
  index_t key_columns_ = 0;
  index_t value_columns_ = 0;
  index_t slots_ = 0;
  bool joint_ = false;
};

}  // namespace dsr1
