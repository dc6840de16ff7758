// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Views and matrices: slices, transposes and reshapes move no element.

#include <numeric>
#include <vector>

#include "catch.hpp"

#include <dsr1/tensor/view.hpp>

using namespace dsr1;

namespace {

std::vector<int> counting(std::size_t n) {
  std::vector<int> v(n);
  std::iota(v.begin(), v.end(), 0);
  return v;
}

// Value views become read-only views, never the reverse, and never views of another type or rank.
static_assert(std::is_convertible_v<view<int, 2>, view<const int, 2>>);
static_assert(!std::is_convertible_v<view<const int, 2>, view<int, 2>>);
static_assert(!std::is_convertible_v<view<int, 2>, view<const float, 2>>);
static_assert(!std::is_convertible_v<view<int, 2>, view<const int, 1>>);
static_assert(std::is_trivially_copyable_v<view<int, 4>>, "kernels take views by value");
static_assert(!std::is_constructible_v<view<int, 2>, int*, int>, "all extents must be given");

}  // namespace

TEST_CASE("view: extents, rows and elements of each rank") {
  auto v = counting(120);
  const view<int, 1> one(v.data(), 5);
  const view<int, 2> two(v.data(), 3, 4);
  const view<int, 3> three(v.data(), 2, 3, 4);
  const view<int, 4> four(v.data(), 2, 3, 4, 5);
  CHECK(one.rows() == 5);
  CHECK(one.row_size() == 1);
  CHECK(one[4] == 4);
  CHECK(two.rows() == 3);
  CHECK(two.columns() == 4);
  CHECK(two(2, 1) == 9);
  CHECK(two[2][1] == 9);
  CHECK(two.row(1) == v.data() + 4);
  CHECK(three.row_size() == 12);
  CHECK(three[1](2, 3) == 23);
  CHECK(three.columns() == 3);
  CHECK(four.size() == 120);
  CHECK(four.stride == 60);
  CHECK(four[1][2](3, 4) == 119);
  two(0, 3) = -1;  // a const view of values that may be written
  CHECK(v[3] == -1);
}

TEST_CASE("view: nothing, and tensors without elements") {
  const view<float, 3> none;
  CHECK(none.data == nullptr);
  CHECK(none.size() == 0);
  CHECK(none.empty());
  const view<float, 2> empty_rows(nullptr, 0, 7), empty_columns(nullptr, 7, 0);
  CHECK(empty_rows.empty());
  CHECK(empty_columns.empty());
  CHECK(empty_rows.dense());
  CHECK(empty_columns.dense());
  CHECK(empty_rows.columns() == 7);
}

TEST_CASE("view: slices of rows and of columns, and slices of slices") {
  auto v = counting(60);
  const view<int, 2> all(v.data(), 6, 10);
  const auto rows = all.slice_rows(2, 3);
  CHECK(rows.rows() == 3);
  CHECK(rows(0, 0) == 20);
  CHECK(rows.dense());
  const auto columns = all.slice_columns(4, 3);
  CHECK(columns.rows() == 6);
  CHECK(columns.columns() == 3);
  CHECK(columns.size() == 18);
  CHECK(columns(5, 2) == 56);
  CHECK(columns.row(1) == v.data() + 14);
  CHECK_FALSE(columns.dense());
  CHECK(columns.slice_rows(3, 1).dense());  // one row has no gap
  const auto both = columns.slice_rows(1, 4).slice_columns(1, 2);
  CHECK(both(0, 0) == 15);
  CHECK(both(3, 1) == 46);
  CHECK(columns[2][1] == 25);  // a row of a slice is dense
  CHECK(columns[2].dense());
  CHECK(all.slice_rows(6, 0).empty());
  CHECK(view<int, 1>(v.data(), 10).slice_rows(7, 3)[2] == 9);
  CHECK(view<int, 3>(v.data(), 3, 4, 5).slice_rows(1, 2)[1](3, 4) == 59);
}

TEST_CASE("view: flat, reshaped, iterated") {
  auto v = counting(24);
  const view<int, 3> x(v.data(), 2, 3, 4);
  CHECK(x.flat().rows() == 24);
  CHECK(x.flat()[23] == 23);
  CHECK(x.reshaped(6, 4)(5, 3) == 23);
  CHECK(x.reshaped(4, 3, 2)[3](2, 1) == 23);
  const auto f = x.flat();
  CHECK(std::accumulate(f.begin(), f.end(), 0) == 276);
}

TEST_CASE("view: a view of values is a view to read, with the same stride") {
  auto v = counting(12);
  const auto slice = view<int, 2>(v.data(), 3, 4).slice_columns(1, 2);
  const view<const int, 2> read = slice;
  CHECK(read.stride == 4);
  CHECK(read(2, 1) == 10);
  CHECK(same_extents(read, slice));
  CHECK_FALSE(same_extents(read, view<const int, 2>(v.data(), 3, 4)));
  CHECK(extents_text(read) == "[3, 2]");
  CHECK(extents_text(view<int, 1>(v.data(), 12)) == "[12]");
  CHECK(extents_text(view<int, 4>(v.data(), 1, 2, 3, 2)) == "[1, 2, 3, 2]");
}

TEST_CASE("view: a matrix names a transposed operand without moving an element") {
  auto v = counting(20);
  const view<int, 2> x(v.data(), 4, 5);
  const auto at = [](const matrix<const int>& m, index_t i, index_t j) {
    return m.data[i * m.row_stride + j * m.column_stride];
  };
  const matrix<const int> m(x);
  CHECK(m.rows == 4);
  CHECK(m.columns == 5);
  const matrix<const int> t = transposed(x);
  CHECK(t.rows == 5);
  CHECK(t.columns == 4);
  CHECK(t.data == v.data());
  for (index_t i = 0; i < 4; ++i)
    for (index_t j = 0; j < 5; ++j) {
      CHECK(at(m, i, j) == x(i, j));
      CHECK(at(t, j, i) == x(i, j));
      CHECK(at(t.transposed(), i, j) == x(i, j));
    }
  const matrix<const int> s = transposed(x.slice_rows(1, 2).slice_columns(2, 3));
  CHECK(s.rows == 3);
  CHECK(at(s, 2, 1) == x(2, 4));
  const matrix<int> writable(x);
  writable.data[0] = 7;
  CHECK(x(0, 0) == 7);
}
