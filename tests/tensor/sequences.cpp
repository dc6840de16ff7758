// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Which rows form which sequence; rows that no sequence covers are an error.

#include <vector>

#include "catch.hpp"

#include <dsr1/tensor/sequences.hpp>

using namespace dsr1;

namespace {

std::string complaint(std::vector<sequence> list, index_t rows) {
  return message_of([&] { expects_cover(sequence_layout(list), rows); });
}

// A plain matrix is a batch of one sequence; the conversion is implicit on purpose.
static_assert(std::is_convertible_v<view<float, 2>, activations<float>>);
static_assert(std::is_convertible_v<view<const float, 2>, activations<float>>);
static_assert(std::is_convertible_v<activations<float>, view<const float, 2>>);
static_assert(!std::is_convertible_v<activations<float>, view<float, 2>>,
              "a layer does not write its input");

}  // namespace

TEST_CASE("sequences: a number of rows is one sequence from position zero") {
  constexpr sequence_layout whole(7);
  static_assert(whole.count() == 1);
  static_assert(whole[0].begin == 0 && whole[0].length == 7 && whole[0].position == 0 &&
                whole[0].slot == 0);
  CHECK(sequence_layout(0).count() == 0);
  CHECK(sequence_layout().count() == 0);
  expects_cover(whole, 7);
  expects_cover(sequence_layout(), 0);
}

TEST_CASE("sequences: a list is read in place") {
  std::vector<sequence> list = {{.begin = 0, .length = 2},
                                {.begin = 2, .length = 0},
                                {.begin = 2, .length = 3, .position = 9, .slot = 4}};
  const sequence_layout layout(list);
  CHECK(layout.count() == 3);
  CHECK(layout[2].position == 9);
  CHECK(layout[2].slot == 4);
  expects_cover(layout, 5);
  list[2].slot = 1;  // the layout does not own the list
  CHECK(layout[2].slot == 1);
}

TEST_CASE("sequences: gaps, overlaps, a wrong total and negative numbers are named") {
  CHECK(complaint({{.begin = 0, .length = 2}, {.begin = 3, .length = 1}}, 4) ==
        "sequence 1 covers rows 3 to 4, expected it to begin at row 2");
  CHECK(mentions(complaint({{.begin = 0, .length = 3}, {.begin = 2, .length = 2}}, 4), "sequence 1",
                 "rows 2 to 4", "begin at row 3"));
  CHECK(mentions(complaint({{.begin = 1, .length = 3}}, 4), "sequence 0", "rows 1 to 4",
                 "begin at row 0"));
  CHECK(mentions(complaint({{.begin = 0, .length = -1}}, 4), "sequence 0", "rows 0 to -1"));
  CHECK(complaint({{.begin = 0, .length = 3}}, 4) ==
        "the sequences cover 3 rows, the tensor has 4");
  CHECK(mentions(complaint({{.begin = 0, .length = 5}}, 4), "cover 5 rows", "has 4"));
  CHECK(mentions(complaint({{.begin = 0, .length = 4, .position = -2}}, 4), "sequence 0",
                 "position -2", "below zero"));
  CHECK(mentions(complaint({{.begin = 0, .length = 4, .slot = -3}}, 4), "slot -3"));
  CHECK(
      mentions(message_of([] { expects_cover(sequence_layout(3), 4); }), "cover 3 rows", "has 4"));
}

TEST_CASE("sequences: activations are rows to read and their sequences") {
  std::vector<float> v(12);
  const view<float, 2> x(v.data(), 3, 4);
  const activations<float> plain = x;
  CHECK(plain.data == v.data());
  CHECK(plain.sequences.count() == 1);
  CHECK(plain.sequences[0].length == 3);
  const sequence two[] = {{.begin = 0, .length = 1}, {.begin = 1, .length = 2}};
  const activations<float> packed(x, sequence_layout(two));
  CHECK(packed.sequences.count() == 2);
  CHECK(packed.columns() == 4);
  const activations<float> none;
  CHECK(none.empty());
  CHECK(none.sequences.count() == 0);
  CHECK(activations<float>(view<float, 2>(nullptr, 0, 4)).sequences.count() == 0);
}
