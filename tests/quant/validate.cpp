// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Scales and codes that stand for no number, found with their place.

#include <limits>

#include "quant/blocks.hpp"

using namespace dsr1;

namespace {

/// Two matrices of 4 rows of 64 columns, all ones.
encoded ones(coding type) {
  encoded out(type, 2, 4, 64);
  const std::vector<float> x(4 * 64, 1.0f);
  with_codec(type, [&](auto c) {
    for (index_t m = 0; m < 2; ++m)
      for (index_t r = 0; r < 4; r += info_of(type).block_rows)
        c.encode(view<const float, 2>(x.data(), std::min<index_t>(info_of(type).block_rows, 4), 64),
                 out.codes(m, r), out.scales(m, r));
  });
  return out;
}

}  // namespace

TEST_CASE("validate: what encode made is sound") {
  for (const coding_info& info : codings) {
    const encoded e = ones(info.type);
    validate_scales(e.tensor());
    validate(e.tensor());
  }
}

TEST_CASE("validate: a scale that is no number is named") {
  encoded fp4 = ones(coding::mxfp4);
  fp4.scales(1, 2)[1] = std::byte{255};
  CHECK(mentions(message_of([&] { validate_scales(fp4.tensor()); }), "mxfp4 [2, 4, 64]",
                 "matrix 1, row 2, block 1"));
  CHECK(mentions(message_of([&] { validate(fp4.tensor()); }), "matrix 1, row 2, block 1"));
  encoded fp8 = ones(coding::fp8);
  codes::store(fp8.scales(1, 0), 0, std::numeric_limits<float>::quiet_NaN());
  CHECK(mentions(message_of([&] { validate_scales(fp8.tensor()); }), "matrix 1, row 0, block 0"));
  encoded whole = ones(coding::int8);
  codes::store(whole.scales(0, 3), 0, std::uint16_t{0x7c00});
  CHECK(mentions(message_of([&] { validate_scales(whole.tensor()); }), "matrix 0, row 3, block 0"));
}

TEST_CASE("validate: codes that are NaN or infinite are found when asked for") {
  encoded fp8 = ones(coding::fp8);
  fp8.codes(0, 3)[40] = std::byte{0x7f};
  validate_scales(fp8.tensor());
  CHECK(mentions(message_of([&] { validate(fp8.tensor()); }), "matrix 0, row 3, block 0",
                 "column 40 is nan"));
  encoded f16 = ones(coding::f16);
  codes::store(f16.codes(1, 1), 7, std::uint16_t{0xfc00});
  CHECK(
      mentions(message_of([&] { validate(f16.tensor()); }), "matrix 1, row 1", "column 7 is -inf"));
  encoded fp4 = ones(coding::mxfp4);  // 6 * 2^127 is no float
  fp4.scales(0, 0)[0] = std::byte{254};
  fp4.codes(0, 0)[0] = std::byte{0x07};
  CHECK(mentions(message_of([&] { validate(fp4.tensor()); }), "matrix 0, row 0, block 0",
                 "column 0 is inf"));
}

TEST_CASE("validate: parts that do not fit come first") {
  coded_tensor w = ones(coding::bf16).tensor();
  w.parts[1].rows = 3;
  CHECK(mentions(message_of([&] { validate_scales(w); }), "matrix 1 have 3 rows"));
}
