// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Tensors in memory under the names of a checkpoint.
#pragma once

#include <list>
#include <map>
#include <string>
#include <vector>

#include <dsr1/io/safetensors.hpp>

class memory_source {
 public:
  /// Elements base, base + 1, ... of type T.
  template <class T = float>
  void add(const std::string& name, std::vector<dsr1::index_t> shape, int base) {
    dsr1::index_t size = 1;
    for (const dsr1::index_t e : shape) size *= e;
    auto& bytes = memory_.emplace_back(static_cast<std::size_t>(size) * sizeof(T));
    for (dsr1::index_t i = 0; i < size; ++i) {
      const auto number = static_cast<float>(base + static_cast<int>(i));
      const T value = static_cast<T>(number);
      std::memcpy(bytes.data() + i * static_cast<dsr1::index_t>(sizeof(T)), &value, sizeof(T));
    }
    tensors_[name] = {dsr1::dtype_for<T>(), std::move(shape), {bytes.data(), bytes.size()}};
  }
  void remove(const std::string& name) { tensors_.erase(name); }

  const dsr1::stored_tensor* find(const std::string& name) const {
    const auto it = tensors_.find(name);
    return it == tensors_.end() ? nullptr : &it->second;
  }
  const std::map<std::string, dsr1::stored_tensor>& tensors() const { return tensors_; }
  std::string path() const { return "memory"; }

 private:
  std::list<std::vector<std::byte>> memory_;
  std::map<std::string, dsr1::stored_tensor> tensors_;
};
