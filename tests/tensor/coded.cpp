// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Coded tensors: sizes, where rows lie in one part and in several, and what is refused.

#include "catch.hpp"

#include <dsr1/tensor/coded.hpp>

using namespace dsr1;

namespace {

const std::byte memory[4096] = {};

/// Parts that begin at these places of `memory`; their scales 2048 bytes later.
coded_tensor tensor(coding type, index_t matrices, index_t rows, index_t columns,
                    const std::vector<std::pair<index_t, index_t>>& places_and_rows,
                    bool alternating = false) {
  coded_tensor w{.type = type,
                 .matrices = matrices,
                 .rows = rows,
                 .columns = columns,
                 .alternating = alternating};
  for (const auto& [place, count] : places_and_rows)
    w.parts.push_back(
        {memory + place, info_of(type).scale_bytes ? memory + 2048 + place : nullptr, count});
  w.check();
  return w;
}

}  // namespace

TEST_CASE("coded: the table of codings is in the order of the enumeration") {
  for (std::size_t i = 0; i < codings.size(); ++i) {
    CHECK(codings[i].type == static_cast<coding>(i));
    CHECK(&info_of(codings[i].type) == &codings[i]);
  }
  CHECK(info_of(coding::mxfp4).name == "mxfp4");
}

TEST_CASE("coded: bytes of rows, of scales and in all") {
  const auto fp4 = tensor(coding::mxfp4, 1, 3, 64, {{0, 3}});
  CHECK(fp4.row_bytes() == 32);
  CHECK(fp4.scale_row_bytes() == 2);
  CHECK(fp4.bytes() == 3 * 34);
  CHECK(fp4.size() == 192);
  CHECK(fp4.text() == "mxfp4 [3, 64]");
  const auto fp8 = tensor(coding::fp8, 1, 8, 130, {{0, 8}});
  CHECK(fp8.row_bytes() == 130);
  CHECK(fp8.scale_row_bytes() == 8);  // two blocks of floats
  CHECK(fp8.bytes() == 8 * 130 + 8);
  const auto int8 = tensor(coding::int8, 2, 2, 33, {{0, 2}, {66, 2}});
  CHECK(int8.scale_row_bytes() == 4);  // two halves, the second for one column
  CHECK(int8.bytes() == 4 * 37);
  CHECK(int8.text() == "int8 [2, 2, 33]");
  CHECK(tensor(coding::bf16, 1, 2, 5, {{0, 2}}).bytes() == 20);
}

TEST_CASE("coded: rows of one part, of parts one after the other, and of alternating ones") {
  const auto one = tensor(coding::int8, 2, 4, 32, {{0, 4}, {300, 4}});
  CHECK(one.row(0, 3).codes == memory + 96);
  CHECK(one.row(0, 3).scales == memory + 2048 + 6);
  CHECK(one.row(1, 1).codes == memory + 300 + 32);
  const auto three = tensor(coding::int8, 1, 6, 32, {{0, 1}, {500, 2}, {900, 3}});
  CHECK(three.parts_per_matrix() == 3);
  CHECK(three.row(0, 0).codes == memory);
  CHECK(three.row(0, 1).codes == memory + 500);
  CHECK(three.row(0, 2).codes == memory + 532);
  CHECK(three.row(0, 5).codes == memory + 964);
  CHECK(three.row(0, 5).scales == memory + 2048 + 904);
  const auto pair = tensor(coding::mxfp4, 1, 4, 32, {{0, 2}, {100, 2}}, true);
  CHECK(pair.row(0, 0).codes == memory);
  CHECK(pair.row(0, 1).codes == memory + 100);
  CHECK(pair.row(0, 2).codes == memory + 16);
  CHECK(pair.row(0, 3).codes == memory + 116);
  CHECK(pair.row(0, 3).scales == memory + 2048 + 101);
  CHECK(tensor(coding::f32, 1, 2, 3, {{0, 2}}).row(0, 1).scales == nullptr);
}

TEST_CASE("coded: 128 rows of FP8 share a row of scales, counted in each part") {
  const auto w = tensor(coding::fp8, 1, 260, 4, {{0, 130}, {520, 130}});
  CHECK(w.row(0, 127).scales == memory + 2048);
  CHECK(w.row(0, 128).scales == memory + 2048 + 4);
  CHECK(w.row(0, 130).scales == memory + 2048 + 520);
  CHECK(w.row(0, 258).scales == memory + 2048 + 524);
  CHECK(w.bytes() == 260 * 4 + 4 * 4);
}

TEST_CASE("coded: what does not fit is refused") {
  const auto message = [](auto... a) { return message_of([&] { tensor(a...); }); };
  using places = std::vector<std::pair<index_t, index_t>>;
  CHECK(mentions(message(coding::bf16, 1, 4, 4, places{{0, 3}}), "bf16 [4, 4]", "matrix 0",
                 "have 3 rows"));
  CHECK(
      mentions(message(coding::bf16, 2, 4, 4, places{{0, 4}, {64, 2}}), "matrix 1", "have 2 rows"));
  CHECK(mentions(message(coding::bf16, 2, 4, 4, places{{0, 4}}), "of 1 parts"));
  CHECK(mentions(message(coding::bf16, 1, 4, 4, places{}), "of 0 parts"));
  CHECK(mentions(message(coding::mxfp4, 1, 1, 33, places{{0, 1}}), "no whole number of bytes"));
  CHECK(mentions(message(coding::mxfp4, 1, 1, 48, places{{0, 1}}), "48 columns", "multiple of 32"));
  CHECK(mentions(message(coding::int8, 1, 4, 4, places{{0, 1}, {64, 3}}, true), "part 0",
                 "has 1 rows", "expected 2"));
  coded_tensor w = tensor(coding::int8, 1, 1, 4, {{0, 1}});
  w.parts[0].scales = nullptr;
  CHECK(mentions(message_of([&] { w.check(); }), "part 0 of matrix 0", "lacks"));
}
