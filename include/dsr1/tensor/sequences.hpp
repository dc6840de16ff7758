// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Which rows belong to which sequence: what attention and sequence-wise losses need to know.
#pragma once

#include <span>

#include <dsr1/tensor/view.hpp>

namespace dsr1 {

/// Consecutive rows that form one sequence (a document, a request).
struct sequence {
  index_t begin = 0;     ///< first row
  index_t length = 0;    ///< number of rows
  index_t position = 0;  ///< position of the first row; above zero when earlier rows are cached
  index_t slot = 0;      ///< which cache holds the earlier rows
};

/// The sequences of a batch. Made from a number of rows alone, it is one sequence from position 0.
class sequence_layout {
 public:
  constexpr sequence_layout() = default;
  constexpr explicit sequence_layout(index_t rows) : whole_{.begin = 0, .length = rows} {}
  constexpr sequence_layout(std::span<const sequence> list)
      : list_(list) {}  // NOLINT: a list is a layout

  constexpr index_t count() const {
    return list_.empty() ? index_t{whole_.length > 0} : static_cast<index_t>(list_.size());
  }
  constexpr sequence operator[](index_t i) const {
    return list_.empty() ? whole_ : list_[static_cast<std::size_t>(i)];
  }

 private:
  std::span<const sequence> list_;
  sequence whole_;
};

/// Throws `error` unless the sequences cover rows 0 to `rows` in order, without gap or overlap.
inline void expects_cover(const sequence_layout& layout, index_t rows) {
  index_t next = 0;
  for (index_t i = 0; i < layout.count(); ++i) {
    const sequence s = layout[i];
    expects(s.begin == next && s.length >= 0, "sequence ", i, " covers rows ", s.begin, " to ",
            s.begin + s.length, ", expected it to begin at row ", next);
    expects(s.position >= 0 && s.slot >= 0, "sequence ", i, " has position ", s.position,
            " and slot ", s.slot, ", expected none below zero");
    next += s.length;
  }
  expects(next == rows, "the sequences cover ", next, " rows, the tensor has ", rows);
}

/// What flows into a layer: one row per token, [tokens, dim], and the sequences of those rows.
/// A plain matrix converts to it as a single sequence that begins at position 0.
template <class T>
struct activations : view<const T, 2> {
  sequence_layout sequences;

  constexpr activations() = default;
  constexpr activations(view<T, 2> rows)  // NOLINT: implicit, see above
      : view<const T, 2>(rows), sequences(rows.rows()) {}
  constexpr activations(view<const T, 2> rows)  // NOLINT
      : view<const T, 2>(rows), sequences(rows.rows()) {}
  constexpr activations(view<const T, 2> rows, sequence_layout layout)
      : view<const T, 2>(rows), sequences(layout) {}
};

}  // namespace dsr1
