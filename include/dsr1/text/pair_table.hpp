// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A hash table from pairs of numbers to pairs of numbers: the merges of a tokenizer, and its tries.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace dsr1 {

/// Linear probing in one block of memory, at most two thirds full; nothing is ever removed.
class pair_table {
 public:
  struct entry {
    std::int32_t left = -1, right = 0;  ///< left >= 0 in what was inserted
    std::int32_t rank = 0, id = 0;
  };

  pair_table() : pair_table(0) {}
  /// Room for this many entries before it grows.
  explicit pair_table(std::size_t count) { grow(count); }

  std::size_t size() const { return size_; }

  /// The entry of a pair, or null.
  const entry* find(std::int32_t left, std::int32_t right) const {
    const entry& e = slots_[place(left, right)];
    return e.left < 0 ? nullptr : &e;
  }

  /// Calls f(entry) for all entries, in no order.
  template <class F>
  void for_each(F&& f) const {
    for (const entry& e : slots_)
      if (e.left >= 0) f(e);
  }

  /// Sets the entry of its pair; the last one counts. Needs left >= 0.
  void set(const entry& added) {
    if (3 * (size_ + 1) > 2 * slots_.size()) grow(2 * size_ + 1);
    entry& e = slots_[place(added.left, added.right)];
    size_ += e.left < 0 ? 1 : 0;
    e = added;
  }

 private:
  std::size_t place(std::int32_t left, std::int32_t right) const {
    const std::uint64_t key = static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
                              static_cast<std::uint32_t>(right);
    // Multiplied by the golden ratio; the upper bits are the good ones.
    std::size_t i = static_cast<std::size_t>((key ^ key >> 29) * 0x9E3779B97F4A7C15u >> shift_);
    while (slots_[i].left >= 0 && (slots_[i].left != left || slots_[i].right != right))
      i = (i + 1) & (slots_.size() - 1);
    return i;
  }

  void grow(std::size_t count) {
    std::vector<entry> old(std::bit_ceil(count + count / 2 + 8));
    old.swap(slots_);
    shift_ = 64 - std::countr_zero(slots_.size());
    for (const entry& e : old)
      if (e.left >= 0) slots_[place(e.left, e.right)] = e;
  }

  std::vector<entry> slots_;
  std::size_t size_ = 0;
  int shift_ = 64;
};

}  // namespace dsr1
