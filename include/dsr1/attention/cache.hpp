// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The key-value cache of one attention layer.
#pragma once

#include <dsr1/backend/attention_ops.hpp>
#include <dsr1/backend/tensor_ops.hpp>
#include <dsr1/tensor/buffer.hpp>

namespace dsr1 {

/// How much a cache has to hold.
struct cache_options {
  index_t slots = 1;     ///< sequences at a time
  index_t capacity = 0;  ///< longest sequence
  index_t chunk = 512;   ///< most tokens of one sequence in one call
};

/// Keys and values of earlier calls, after rotation. A layer with a window keeps a ring of window
/// and chunk only; one without keeps `capacity` positions. Empty until `open`; an attention layer
/// whose `saved` holds an open cache reads its keys from there.
template <class T>
class kv_cache {
 public:
  template <class Ctx>
  void open(Ctx& ctx, const cache_options& options, index_t window, index_t columns) {
    expects(options.slots > 0 && options.capacity > 0 && options.chunk > 0, "a cache of ",
            options.slots, " slots, ", options.capacity, " positions and chunks of ", options.chunk,
            ", expected all above 0");
    window_ = window;
    capacity_ = options.capacity;
    ring_ = round_up(options.capacity, attention_block);
    if (window > 0)
      ring_ = std::min(ring_, round_up(window + options.chunk, attention_block) + attention_block);
    columns_ = columns;
    slots_ = options.slots;
    keys_ = buffer<T>(slots_ * ring_ * columns, ctx.memory());
    values_ = buffer<T>(slots_ * ring_ * columns, ctx.memory());
    // Rows that were never written are masked, but must not hold NaN: 0 times NaN is NaN.
    Ctx::backend::fill(ctx, keys_.as(keys_.size()), T(0));
    Ctx::backend::fill(ctx, values_.as(values_.size()), T(0));
  }

  bool is_open() const { return ring_ > 0; }
  index_t bytes() const { return 2 * keys_.size() * static_cast<index_t>(sizeof(T)); }

  /// Appends the keys and values of a call and returns where all of them are.
  template <class Ctx>
  key_values<T> append(Ctx& ctx, view<const T, 2> keys, view<const T, 2> values,
                       const sequence_layout& sequences) {
    for (index_t i = 0; i < sequences.count(); ++i) {
      const sequence s = sequences[i];
      expects(s.slot < slots_, "sequence ", i, " uses cache slot ", s.slot, ", the cache has ",
              slots_);
      expects(s.position + s.length <= capacity_, "sequence ", i, " reaches position ",
              s.position + s.length, ", the cache holds ", capacity_);
      expects(ring_ >= capacity_ || s.length + window_ <= ring_, "sequence ", i, " adds ", s.length,
              " tokens at once, the cache's window and chunk allow ", ring_ - window_);
    }
    const auto all_keys = keys_.as(slots_ * ring_, columns_);
    const auto all_values = values_.as(slots_ * ring_, columns_);
    Ctx::backend::store_cache(ctx, keys, sequences, ring_, all_keys);
    Ctx::backend::store_cache(ctx, values, sequences, ring_, all_values);
    return {all_keys, all_values, ring_};
  }

 private:
  buffer<T> keys_, values_;
  index_t ring_ = 0;
  index_t window_ = 0;
  index_t capacity_ = 0;
  index_t columns_ = 0;
  index_t slots_ = 0;
};

}  // namespace dsr1
