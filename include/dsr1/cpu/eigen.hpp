// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The only door to Eigen, with its CUDA support switched off.
#pragma once

#if defined(__CUDACC__) && defined(EIGEN_CORE_MODULE_H) && !defined(EIGEN_NO_CUDA)
#error \
    "include dsr1 before Eigen, or define EIGEN_NO_CUDA: Eigen's code would differ between .cu and .cpp files"
#endif
#ifndef EIGEN_NO_CUDA
#define EIGEN_NO_CUDA
#endif

#include <Eigen/Core>

#include <dsr1/tensor/view.hpp>

namespace dsr1::cpu_eigen {

template <class T, int Order>
using map = Eigen::Map<Eigen::Matrix<std::remove_const_t<T>, Eigen::Dynamic, Eigen::Dynamic, Order>,
                       Eigen::Unaligned, Eigen::OuterStride<>>;
template <class T, int Order>
using const_map = const Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Order>,
                                   Eigen::Unaligned, Eigen::OuterStride<>>;

/// Calls f with m as an Eigen map, row-major or column-major as its strides say.
template <class T, class F>
void with_map(const matrix<const T>& m, F&& f) {
  expects(m.column_stride == 1 || m.row_stride == 1,
          "a product needs an operand with unit stride in one direction");
  if (m.column_stride == 1)
    f(const_map<T, Eigen::RowMajor>(m.data, m.rows, m.columns, Eigen::OuterStride<>(m.row_stride)));
  else
    f(const_map<T, Eigen::ColMajor>(m.data, m.rows, m.columns,
                                    Eigen::OuterStride<>(m.column_stride)));
}

/// C += A B.
template <class T>
void multiply_add(const matrix<const T>& a, const matrix<const T>& b, matrix<T> c) {
  if (a.columns == 0 || c.rows == 0 || c.columns == 0) return;
  with_map<T>(a, [&](auto x) {
    with_map<T>(b, [&](auto y) {
      map<T, Eigen::RowMajor>(c.data, c.rows, c.columns, Eigen::OuterStride<>(c.row_stride))
          .noalias() += x * y;
    });
  });
}

}  // namespace dsr1::cpu_eigen
