// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// How the battery moves numbers to the backend under test and back: only by upload and download.
#pragma once

#include <string>
#include <vector>

#include "battery/context.hpp"
#include "catch.hpp"

#include <dsr1/testing/compare.hpp>

namespace battery {

using dsr1::accumulate;
using dsr1::matrix;

/// Columns beside a matrix that belong to somebody else: no operation may write them.
struct margin {
  index_t left = 0;
  index_t right = 0;
};
inline constexpr margin margins[] = {{0, 0}, {3, 6}};

/// A matrix in the memory of the context, perhaps a slice of the columns of a wider one.
template <class Ctx, class T>
class device_matrix {
 public:
  device_matrix(Ctx& ctx, index_t rows, index_t columns, const std::vector<T>& values,
                margin around = {})
      : ctx_(ctx), around_(around), columns_(columns) {
    const index_t width = around.left + columns + around.right;
    whole_ = ctx.template take<T>(rows, width);
    std::vector<T> host(static_cast<std::size_t>(rows * width), mark());
    for (index_t r = 0; r < rows; ++r)
      for (index_t c = 0; c < columns; ++c)
        host[static_cast<std::size_t>(r * width + around.left + c)] =
            values.at(static_cast<std::size_t>(r * columns + c));
    Ctx::backend::upload(ctx, host.data(), whole_.flat());
  }
  /// Filled with a mark that no result has.
  device_matrix(Ctx& ctx, index_t rows, index_t columns, margin around = {})
      : device_matrix(ctx, rows, columns,
                      std::vector<T>(static_cast<std::size_t>(rows * columns), mark()), around) {}

  view<T, 2> out() const { return whole_.slice_columns(around_.left, columns_); }
  view<const T, 2> in() const { return out(); }
  matrix<const T> mat() const { return in(); }
  matrix<const T> transposed() const { return dsr1::transposed(in()); }
  view<const T, 1> row() const { return in()[0]; }

  /// The elements; fails the test when one beside the matrix has changed.
  std::vector<T> host() const {
    std::vector<T> all(static_cast<std::size_t>(whole_.size())), own;
    Ctx::backend::download(ctx_, view<const T, 1>(whole_.flat()), all.data());
    bool intact = true;
    const index_t width = whole_.columns();
    for (index_t i = 0; i < whole_.size(); ++i) {
      const index_t c = i % width - around_.left;
      if (c >= 0 && c < columns_)
        own.push_back(all[static_cast<std::size_t>(i)]);
      else
        intact = intact && all[static_cast<std::size_t>(i)] == mark();
    }
    REQUIRE(intact);
    return own;
  }

  static constexpr T mark() { return T(-77); }

 private:
  Ctx& ctx_;
  margin around_;
  index_t columns_;
  view<T, 2> whole_;
};

/// A row of numbers in the memory of the context.
template <class Ctx, class T>
class device_vector {
 public:
  device_vector(Ctx& ctx, const std::vector<T>& values)
      : ctx_(ctx), all_(ctx.template take<T>(static_cast<index_t>(values.size()))) {
    Ctx::backend::upload(ctx, values.data(), all_);
  }
  device_vector(Ctx& ctx, index_t count)
      : device_vector(ctx, std::vector<T>(static_cast<std::size_t>(count), T(-77))) {}

  view<T, 1> out() const { return all_; }
  view<const T, 1> in() const { return all_; }
  std::vector<T> host() const {
    std::vector<T> out(static_cast<std::size_t>(all_.rows()));
    Ctx::backend::download(ctx_, in(), out.data());
    return out;
  }

 private:
  Ctx& ctx_;
  view<T, 1> all_;
};

inline std::size_t at(index_t i) { return static_cast<std::size_t>(i); }

template <class T>
std::vector<double> doubles(const std::vector<T>& v) {
  return {v.begin(), v.end()};
}

/// Fails unless `values` are as close to `expected` as T allows; `slack` multiplies the tolerance.
template <class T>
void check_close(const std::vector<T>& values, const std::vector<double>& expected,
                 const std::string& what, double slack = 1) {
  INFO(what);
  REQUIRE(values.size() == expected.size());
  const auto d =
      dsr1::testing::compare(values.data(), expected.data(), static_cast<index_t>(values.size()));
  CAPTURE(d.absolute, d.scale);
  if (d.absolute > slack * tolerance<T>() * std::max(d.scale, 1.0))
    for (std::size_t i = 0; i < values.size(); ++i)
      if (!(std::abs(static_cast<double>(values[i]) - expected[i]) <=
            slack * tolerance<T>() * std::max(d.scale, 1.0))) {
        CAPTURE(i, values[i], expected[i]);
        REQUIRE(false);
      }
  SUCCEED();
}

/// Fails unless the vectors are equal, element by element.
template <class T>
void check_same(const std::vector<T>& values, const std::vector<T>& expected,
                const std::string& what) {
  INFO(what);
  REQUIRE(values.size() == expected.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!(values[i] == expected[i])) {
      CAPTURE(i, values[i], expected[i]);
      REQUIRE(false);
    }
  SUCCEED();
}

}  // namespace battery
