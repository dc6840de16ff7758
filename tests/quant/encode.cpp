// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Whole tensors into codes: several matrices, strides, bands of rows, other codings, refusals.

#include <cmath>
#include <limits>

#include "quant/blocks.hpp"

using namespace dsr1;

namespace {

std::vector<float> all(const coded_tensor& w) {
  std::vector<float> out(static_cast<std::size_t>(w.size()));
  for (index_t m = 0; m < w.matrices; ++m)
    for (index_t r = 0; r < w.rows; ++r) unpack(w, m, r, out.data() + (m * w.rows + r) * w.columns);
  return out;
}

}  // namespace

TEST_CASE("encode: every coding, matrix by matrix") {
  const auto x = battery::normals<float>(2 * 130 * 64, 1);
  for (const coding_info& info : codings) {
    const auto w = encode(info.type, view<const float, 3>(x.data(), 2, 130, 64));
    INFO(w.text());
    CHECK(w.matrices == 2);
    CHECK(w.parts.size() == 2);
    const double bits = info.bits <= 4 ? 1 : info.bits == 8 ? 0.25 : info.bits == 16 ? 0.02 : 0;
    const auto y = all(w);
    for (std::size_t i = 0; i < x.size(); ++i) REQUIRE(std::abs(y[i] - x[i]) <= bits);
    // A matrix by itself, and one with a stride.
    const auto second = encode(info.type, view<const float, 2>(x.data() + 130 * 64, 130, 64));
    CHECK(all(second) == std::vector<float>(y.begin() + 130 * 64, y.end()));
    const auto strided = view<const float, 2>(x.data(), 65, 128).slice_columns(64, 64);
    const auto z = all(encode(info.type, strided));
    if (info.block_rows == 1)
      CHECK(std::vector<float>(z.begin(), z.begin() + 64) ==
            std::vector<float>(y.begin() + 64, y.begin() + 128));
  }
}

TEST_CASE("encode: rows come from wherever they are, no more than share a scale at a time") {
  // [source]
  // 3 matrices [300, 256] that are never in memory as floats, all at once.
  const auto rows = [](index_t matrix, index_t first, index_t count, float* out) {
    for (index_t i = 0; i < count * 256; ++i)
      out[i] = static_cast<float>(matrix) + 0.001f * static_cast<float>((first * 256 + i) % 97);
  };
  const coded_tensor w = encode(mxfp4_codec{.rule = mxfp4_scale::ceil}, 3, 300, 256, rows);
  // [/source]
  CHECK(w.text() == "mxfp4 [3, 300, 256]");
  CHECK(w.bytes() == 3 * 300 * (128 + 8));
  index_t most = 0, sum = 0;
  const auto counted = [&](index_t m, index_t first, index_t count, float* out) {
    most = std::max(most, count);
    sum += count;
    rows(m, first, count, out);
  };
  encode(int8_codec{}, 3, 300, 256, counted);
  CHECK(most == 1);
  CHECK(sum == 900);
  encode(fp8_codec{}, 3, 300, 256, counted);
  CHECK(most == 128);
}

TEST_CASE("encode: codes into other codes") {
  const auto x = battery::normals<float>(40 * 64, 1);
  const auto exact = encode(f32_codec{}, view<const float, 2>(x.data(), 40, 64));
  for (const coding_info& info : codings)
    with_codec(info.type, [&](auto c) {
      const auto direct = encode(c, view<const float, 2>(x.data(), 40, 64));
      CHECK(all(recode(c, exact)) == all(direct));
    });
  // What a coding holds is not changed by coding it again, as far as the scales are exact.
  const auto once = encode(mxfp4_codec{}, view<const float, 2>(x.data(), 40, 64));
  CHECK(all(recode(mxfp4_codec{}, once)) == all(once));
}

TEST_CASE("encode: the memory lives as long as a tensor that shares it") {
  coded_tensor kept;
  {
    const std::vector<float> x(64, 3.0f);
    kept = encode(coding::int4, view<const float, 2>(x.data(), 2, 32));
  }
  CHECK(all(kept) == std::vector<float>(64, 3.0f));
}

TEST_CASE("encode: tensors without elements") {
  CHECK(encode(coding::mxfp4, view<const float, 2>(nullptr, 0, 32)).size() == 0);
  CHECK(encode(coding::int8, view<const float, 2>(nullptr, 0, 0)).size() == 0);
}

TEST_CASE("encode: numbers that no code stands for are refused with their place") {
  std::vector<float> x(2 * 3 * 32, 1.0f);
  const auto message = [&](coding type) {
    return message_of([&] { encode(type, view<const float, 3>(x.data(), 2, 3, 32)); });
  };
  for (const coding_info& info : codings) {
    x[(1 * 3 + 2) * 32 + 5] = std::numeric_limits<float>::quiet_NaN();
    CHECK(mentions(message(info.type), "matrix 1, row 2, column 5", "nan", info.name));
    x[(1 * 3 + 2) * 32 + 5] = -std::numeric_limits<float>::infinity();
    CHECK(mentions(message(info.type), "matrix 1, row 2, column 5", "-inf", "finite"));
    x[(1 * 3 + 2) * 32 + 5] = 1;
  }
  x[32] = 1e7f;
  CHECK(mentions(message(coding::int8), "matrix 0, row 1, column 0", "1e+07", "up to 8.319"));
  CHECK(mentions(message(coding::int4), "row 1"));
  CHECK(mentions(message(coding::f16), "up to 65504"));
  CHECK(mentions(message_of([&] { encode(coding::mxfp4, view<const float, 2>(x.data(), 1, 48)); }),
                 "48 columns"));
}

TEST_CASE("encode: rows outside a tensor are refused") {
  const std::vector<float> x(64);
  const auto w = encode(coding::int8, view<const float, 2>(x.data(), 2, 32));
  float out[32];
  CHECK(mentions(message_of([&] { unpack(w, 0, 2, out); }), "row 2 of matrix 0", "int8 [2, 32]"));
  CHECK(mentions(message_of([&] { unpack(w, 1, 0, out); }), "matrix 1"));
  CHECK(mentions(message_of([&] { unpack(w, 0, -1, out); }), "row -1"));
}
