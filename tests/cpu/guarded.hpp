// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// An array that ends where a page begins that nobody may touch.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <new>
#include <vector>

/// `count` elements of T whose end is the end of accessible memory: a read or a write of one
/// element more ends the program. With `at_begin` the forbidden page lies before the first element.
template <class T>
class guarded {
 public:
  explicit guarded(std::size_t count, bool at_begin = false) : count_(count) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t body = (count * sizeof(T) + page - 1) / page * page + page;
    bytes_ = body + page;
    void* map = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<std::byte*>(map);
    mprotect(base_ + (at_begin ? 0 : body), page, PROT_NONE);
    data_ =
        at_begin ? reinterpret_cast<T*>(base_ + page) : reinterpret_cast<T*>(base_ + body) - count;
  }
  guarded(const std::vector<T>& values) : guarded(values.size()) {  // NOLINT: a copy with a guard
    for (std::size_t i = 0; i < count_; ++i) data_[i] = values[i];
  }
  ~guarded() { munmap(base_, bytes_); }
  guarded(const guarded&) = delete;
  guarded& operator=(const guarded&) = delete;

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return count_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  std::vector<T> vector() const { return {data_, data_ + count_}; }

 private:
  std::size_t count_;
  std::size_t bytes_ = 0;
  std::byte* base_ = nullptr;
  T* data_ = nullptr;
};
