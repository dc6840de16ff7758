// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The table of element types.

#include "catch.hpp"

#include <dsr1/io/dtype.hpp>

using namespace dsr1;

TEST_CASE("dtype: the table is in the order of the enumeration, and names lead back") {
  for (std::size_t i = 0; i < dtypes.size(); ++i) {
    const auto type = static_cast<dtype>(i);
    CHECK(info_of(type).type == type);
    CHECK(dtype_of(info_of(type).name) == type);
  }
  CHECK_FALSE(dtype_of("F128").has_value());
  CHECK_FALSE(dtype_of("f32").has_value());
  CHECK_FALSE(dtype_of("").has_value());
}

TEST_CASE("dtype: sizes and types of C++") {
  STATIC_REQUIRE(dtype_for<double>() == dtype::f64);
  STATIC_REQUIRE(dtype_for<float>() == dtype::f32);
  STATIC_REQUIRE(dtype_for<half>() == dtype::f16);
  STATIC_REQUIRE(dtype_for<bf16>() == dtype::bf16);
  STATIC_REQUIRE(dtype_for<std::int64_t>() == dtype::i64);
  STATIC_REQUIRE(dtype_for<std::int32_t>() == dtype::i32);
  STATIC_REQUIRE(dtype_for<std::int16_t>() == dtype::i16);
  STATIC_REQUIRE(dtype_for<std::int8_t>() == dtype::i8);
  STATIC_REQUIRE(dtype_for<std::uint8_t>() == dtype::u8);
  STATIC_REQUIRE(dtype_for<std::uint64_t>() == dtype::u64);
  STATIC_REQUIRE(dtype_for<std::uint32_t>() == dtype::u32);
  STATIC_REQUIRE(dtype_for<std::uint16_t>() == dtype::u16);
  STATIC_REQUIRE(dtype_for<std::complex<float>>() == dtype::c64);
  STATIC_REQUIRE(dtype_for<bool>() == dtype::boolean);
  CHECK(info_of(dtype_for<double>()).bytes == sizeof(double));
  CHECK(info_of(dtype_for<bf16>()).bytes == sizeof(bf16));
  CHECK(info_of(dtype::f8_e5m2).bytes == 1);
  CHECK(info_of(dtype::boolean).bytes == sizeof(bool));
}

TEST_CASE("dtype: which hold parameters") {
  int floating = 0;
  for (const dtype_info& d : dtypes) floating += is_floating(d.type);
  CHECK(floating == 4);
  CHECK(is_floating(dtype::bf16));
  CHECK_FALSE(is_floating(dtype::f8_e4m3));  // needs its scales
  CHECK_FALSE(is_floating(dtype::i32));
}
