// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Owning storage for the elements of a tensor.
#pragma once

#include <type_traits>
#include <utility>

#include <dsr1/tensor/memory.hpp>
#include <dsr1/tensor/view.hpp>

namespace dsr1 {

/// An array of trivially copyable elements in a `memory`; moves, never copies by accident.
/// The content is undefined until written.
template <class T>
class buffer {
  static_assert(std::is_trivially_copyable_v<T>, "a buffer holds trivially copyable elements");

 public:
  buffer() = default;
  explicit buffer(index_t count, memory& from = host_memory::instance()) : from_(&from) {
    expects(count >= 0, "buffer of ", count, " elements, expected none or more");
    expects(static_cast<std::size_t>(count) <= static_cast<std::size_t>(-1) / 2 / sizeof(T),
            "buffer of ", count, " elements of ", sizeof(T), " bytes: too many");
    if (count == 0) return;
    data_ = static_cast<T*>(from.allocate(static_cast<std::size_t>(count) * sizeof(T)));
    size_ = count;
  }
  buffer(buffer&& other) noexcept { swap(other); }
  buffer& operator=(buffer&& other) noexcept {
    buffer(std::move(other)).swap(*this);
    return *this;
  }
  buffer(const buffer&) = delete;
  buffer& operator=(const buffer&) = delete;
  ~buffer() {
    if (data_) from_->deallocate(data_, static_cast<std::size_t>(size_) * sizeof(T));
  }

  void swap(buffer& other) noexcept {
    std::swap(from_, other.from_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  T* data() noexcept { return data_; }
  const T* data() const noexcept { return data_; }
  index_t size() const noexcept { return size_; }
  T& operator[](index_t i) noexcept { return data_[i]; }
  const T& operator[](index_t i) const noexcept { return data_[i]; }
  T* begin() noexcept { return data_; }
  T* end() noexcept { return data_ + size_; }
  const T* begin() const noexcept { return data_; }
  const T* end() const noexcept { return data_ + size_; }

  /// The elements under the given extents, whose product is at most `size()`.
  template <class... Extents>
  view<T, sizeof...(Extents)> as(Extents... sizes) noexcept {
    return view<T, sizeof...(Extents)>(data_, sizes...);
  }
  template <class... Extents>
  view<const T, sizeof...(Extents)> as(Extents... sizes) const noexcept {
    return view<const T, sizeof...(Extents)>(data_, sizes...);
  }

 private:
  memory* from_ = nullptr;
  T* data_ = nullptr;
  index_t size_ = 0;
};

}  // namespace dsr1
