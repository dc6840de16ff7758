// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The parameters of a model, collected once.
#pragma once

#include <string>
#include <vector>

#include <dsr1/tensor/parameter.hpp>

namespace dsr1 {

/// A contiguous part of a parameter.
struct piece {
  std::size_t parameter = 0;  ///< its number in the list
  index_t begin = 0;          ///< in this rank's parameter
  index_t size = 0;
  index_t whole_begin = 0;  ///< in the whole tensor; differs when the parameter holds slices

  bool operator==(const piece&) const = default;
};

/// Pointers into a model, in the order of `for_each_parameter`; the model may not move or die.
template <class T>
class parameter_list {
 public:
  struct entry {
    std::string name;
    parameter<T>* p;
  };

  template <class Layer>
  explicit parameter_list(Layer& layer) {
    layer.for_each_parameter([&](const parameter_name& name, parameter<T>& p) {
      entries_.push_back({name.str(), &p});
    });
  }

  std::size_t size() const { return entries_.size(); }
  const entry& operator[](std::size_t i) const { return entries_[i]; }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }

 private:
  std::vector<entry> entries_;
};

}  // namespace dsr1
