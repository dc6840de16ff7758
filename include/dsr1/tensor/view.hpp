// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A non-owning tensor: pointer, extents and the distance between rows. Usable inside kernels.
#pragma once

#include <string>
#include <type_traits>

#include <dsr1/core/host_device.hpp>
#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

/// Row-major tensor of rank 1 to 4. All but the first index are dense; `stride` is the distance
/// in elements between consecutive first indices, so a slice of rows or of columns is a view too.
template <class T, int Rank>
struct view {
  static_assert(Rank >= 1 && Rank <= 4, "a view has between one and four extents");

  T* data = nullptr;
  index_t extents[Rank] = {};
  index_t stride = 0;

  constexpr view() = default;

  /// Dense tensor: `view<float, 2>{pointer, rows, columns}`.
  template <class... Extents>
    requires(sizeof...(Extents) == Rank)
  DSR1_HOST_DEVICE constexpr explicit view(T* pointer, Extents... sizes)
      : data(pointer), extents{static_cast<index_t>(sizes)...}, stride(row_size()) {}

  /// A view of values that may be written is a view of values that may be read.
  template <class U>
    requires(std::is_same_v<T, const U>)
  DSR1_HOST_DEVICE constexpr view(
      const view<U, Rank>& other)  // NOLINT: implicit like T* to const T*
      : data(other.data), stride(other.stride) {
    for (int i = 0; i < Rank; ++i) extents[i] = other.extents[i];
  }

  DSR1_HOST_DEVICE constexpr index_t rows() const { return extents[0]; }
  DSR1_HOST_DEVICE constexpr index_t columns() const
    requires(Rank >= 2)
  {
    return extents[1];
  }
  DSR1_HOST_DEVICE constexpr index_t row_size() const {
    index_t n = 1;
    for (int i = 1; i < Rank; ++i) n *= extents[i];
    return n;
  }
  DSR1_HOST_DEVICE constexpr index_t size() const { return extents[0] * row_size(); }
  DSR1_HOST_DEVICE constexpr bool empty() const { return size() == 0; }
  DSR1_HOST_DEVICE constexpr bool dense() const { return stride == row_size() || rows() <= 1; }

  /// First element of row i.
  DSR1_HOST_DEVICE constexpr T* row(index_t i) const { return data + i * stride; }

  /// The i-th slice along the first extent.
  DSR1_HOST_DEVICE constexpr auto operator[](index_t i) const
    requires(Rank >= 2)
  {
    view<T, Rank - 1> v;
    v.data = row(i);
    for (int d = 1; d < Rank; ++d) v.extents[d - 1] = extents[d];
    v.stride = v.row_size();
    return v;
  }
  DSR1_HOST_DEVICE constexpr T& operator[](index_t i) const
    requires(Rank == 1)
  {
    return data[i * stride];
  }
  DSR1_HOST_DEVICE constexpr T& operator()(index_t i, index_t j) const
    requires(Rank == 2)
  {
    return data[i * stride + j];
  }

  /// Rows [first, first + count).
  DSR1_HOST_DEVICE constexpr view slice_rows(index_t first, index_t count) const {
    view v = *this;
    v.data = row(first);
    v.extents[0] = count;
    return v;
  }

  /// Columns [first, first + count) of a matrix.
  DSR1_HOST_DEVICE constexpr view slice_columns(index_t first, index_t count) const
    requires(Rank == 2)
  {
    view v = *this;
    v.data = data + first;
    v.extents[1] = count;
    return v;
  }

  /// All elements of a dense tensor as one row.
  DSR1_HOST_DEVICE constexpr view<T, 1> flat() const { return view<T, 1>(data, size()); }

  /// The same elements of a dense tensor under other extents.
  template <class... Extents>
  DSR1_HOST_DEVICE constexpr view<T, sizeof...(Extents)> reshaped(Extents... sizes) const {
    return view<T, sizeof...(Extents)>(data, sizes...);
  }

  DSR1_HOST_DEVICE constexpr T* begin() const
    requires(Rank == 1)
  {
    return data;
  }
  DSR1_HOST_DEVICE constexpr T* end() const
    requires(Rank == 1)
  {
    return data + extents[0];
  }
};

/// True when both tensors have the same extents.
template <class A, class B, int Rank>
constexpr bool same_extents(const view<A, Rank>& a, const view<B, Rank>& b) {
  for (int i = 0; i < Rank; ++i)
    if (a.extents[i] != b.extents[i]) return false;
  return true;
}

/// The extents as text for messages: "[64, 128]".
template <class T, int Rank>
std::string extents_text(const view<T, Rank>& v) {
  std::string out = "[";
  for (int i = 0; i < Rank; ++i) out += (i ? ", " : "") + std::to_string(v.extents[i]);
  return out + "]";
}

/// A matrix with free strides, so that a product can name a transposed operand without a flag.
template <class T>
struct matrix {
  T* data = nullptr;
  index_t rows = 0;
  index_t columns = 0;
  index_t row_stride = 0;
  index_t column_stride = 1;

  constexpr matrix() = default;
  constexpr matrix(T* pointer, index_t row_count, index_t column_count, index_t rs, index_t cs)
      : data(pointer), rows(row_count), columns(column_count), row_stride(rs), column_stride(cs) {}
  template <class U>
    requires(std::is_same_v<std::remove_const_t<T>, std::remove_const_t<U>>)
  constexpr matrix(const view<U, 2>& v)  // NOLINT: a dense matrix is a matrix
      : data(v.data), rows(v.rows()), columns(v.columns()), row_stride(v.stride) {}

  constexpr matrix transposed() const { return {data, columns, rows, column_stride, row_stride}; }
};

/// The transpose of a row-major matrix, without moving an element.
template <class T>
constexpr matrix<const std::remove_const_t<T>> transposed(const view<T, 2>& v) {
  return matrix<const std::remove_const_t<T>>(v).transposed();
}

}  // namespace dsr1
