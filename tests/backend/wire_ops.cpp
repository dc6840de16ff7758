// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The bytes that numbers take on the wire.

#include <cmath>

#include "backend/fake_backend.hpp"
#include "catch.hpp"

#include <dsr1/backend/wire_ops.hpp>

using namespace dsr1;

namespace {

/// All operations of the group, with any arguments.
struct complete : fake_backend {
  template <class... A>
  static void wire_pack(A&&...) {}
  template <class... A>
  static void wire_unpack(A&&...) {}
  template <class... A>
  static void wire_unpack_add(A&&...) {}
  template <class... A>
  static index_t first_not_finite(A&&...) {
    return -1;
  }
};

// A name of a derived struct hides the operation of that name.
struct without_pack : complete {
  static void wire_pack() {}
};
struct without_unpack : complete {
  static void wire_unpack() {}
};
struct without_unpack_add : complete {
  static void wire_unpack_add() {}
};
struct without_first_not_finite : complete {
  static void first_not_finite() {}
};

template <class Backend>
constexpr bool fits = wire_ops<context<Backend>, float> && wire_ops<context<Backend>, double>;

static_assert(fits<complete>);
static_assert(!fits<fake_backend> && !fits<without_pack> && !fits<without_unpack>);
static_assert(!fits<without_unpack_add> && !fits<without_first_not_finite>);

}  // namespace

TEST_CASE("wire_format: bytes of scales and codes") {
  static_assert(wire_format{.code = wire_code::f32}.bytes(1000) == 4000);
  static_assert(wire_format{.code = wire_code::bf16}.bytes(3) == 8);
  static_assert(wire_format{.code = wire_code::int8}.bytes(1024) == 4 * 4 + 1024);
  static_assert(wire_format{.code = wire_code::int8}.bytes(257) == 2 * 4 + 260);
  static_assert(wire_format{.code = wire_code::int4}.bytes(257) == 2 * 4 + 132);
  CHECK(wire_format{.code = wire_code::fp8, .block = 128}.bytes(0) == 0);
}

TEST_CASE("wire_format: what ranks compare, and what is refused") {
  constexpr wire_format f{.code = wire_code::int4, .block = 64, .stochastic = true};
  static_assert(f.fingerprint() == 0x0001'0401'0000'0040);
  CHECK(f.text() == "int4, blocks of 64, stochastic");
  CHECK(wire_format{}.text() == "f32");
  static_assert(f.draws(65) == 2 && wire_format{.code = wire_code::int8}.draws(65) == 0);
  validate(f);
  CHECK(mentions(message_of([] { validate({.code = wire_code::int8, .block = 3}); }),
                 "a block of 3 numbers", "expected an even number"));
}

TEST_CASE("wire_scale_of: zeros below 2^-100, marked from 2^127 on") {
  const auto of = [](float largest) {
    return wire_scale_of(wire_code::int8, std::bit_cast<std::uint32_t>(largest)).scale;
  };
  CHECK(of(127) == 1);
  CHECK(of(0) == 0);
  CHECK(of(0x1p-101f) == 0);
  CHECK(of(0x1p-100f) > 0);
  CHECK(of(0x1.fffffep126f) < 0x1p121f);
  CHECK(std::isnan(of(0x1p127f)));
}
