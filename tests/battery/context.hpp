// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The context of a backend under test, and tensors filled with reproducible numbers.
#pragma once

#include <vector>

#include <dsr1/backend/context.hpp>
#include <dsr1/core/random.hpp>
#include <dsr1/cpu/cpu.hpp>

namespace battery {

using dsr1::index_t;
using dsr1::view;

/// `count` normal numbers; different streams are independent.
template <class T>
std::vector<T> normals(index_t count, std::uint64_t stream, double scale = 1) {
  const dsr1::random_stream r(42, stream);
  std::vector<T> out(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<T>(scale * r.normal(i));
  return out;
}

template <class T>
view<T, 2> matrix_of(std::vector<T>& v, index_t rows, index_t columns) {
  return view<T, 2>(v.data(), rows, columns);
}
template <class T>
view<const T, 2> matrix_of(const std::vector<T>& v, index_t rows, index_t columns) {
  return view<const T, 2>(v.data(), rows, columns);
}
template <class T>
view<const T, 2> cmatrix_of(const std::vector<T>& v, index_t rows, index_t columns) {
  return view<const T, 2>(v.data(), rows, columns);
}

/// The tolerance that `double` or `float` results of sums of moderate length deserve.
template <class T>
constexpr double tolerance() {
  return sizeof(T) == 8 ? 1e-12 : 2e-5;
}

}  // namespace battery
