// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Contract: numbers as they travel between ranks.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <string>
#include <string_view>

#include <dsr1/core/random.hpp>
#include <dsr1/tensor/view.hpp>

namespace dsr1 {

/// Of the bytes that docs/wire_format.md specifies; ranks compare it before they send any.
inline constexpr int wire_version = 1;

/// How numbers are coded on the wire; docs/wire_format.md is the specification.
///     f32, bf16   the number itself (bf16: rounded to the nearest, ties to even)
///     fp8         E4M3, times a float per block: largest magnitude / 448
///     int8        whole numbers from -127 to 127, times a float per block: largest / 127
///     int4        whole numbers from -7 to 7, two to a byte, times a float: largest / 7
enum class wire_code : std::uint8_t { f32, bf16, fp8, int8, int4 };
inline constexpr std::array<std::string_view, 5> wire_code_names = {"f32", "bf16", "fp8", "int8",
                                                                    "int4"};
constexpr std::string_view name_of(wire_code c) {
  return wire_code_names[static_cast<std::size_t>(c)];
}
/// Throws `error` naming those that there are.
inline wire_code wire_code_of(std::string_view name) {
  for (std::size_t i = 0; i < wire_code_names.size(); ++i)
    if (wire_code_names[i] == name) return static_cast<wire_code>(i);
  throw error(text("no wire code \"", name, "\", expected f32, bf16, fp8, int8 or int4"));
}

struct wire_format {
  wire_code code = wire_code::f32;
  index_t block = 256;  ///< numbers that share a scale; even
  /// Rounds up or down at random, without bias, instead of to the nearest. Not for f32.
  bool stochastic = false;

  bool operator==(const wire_format&) const = default;

  constexpr bool scaled() const { return code >= wire_code::fp8; }
  constexpr int bits() const {
    return code == wire_code::f32    ? 32
           : code == wire_code::bf16 ? 16
           : code == wire_code::int4 ? 4
                                     : 8;
  }
  constexpr index_t blocks(index_t count) const { return ceil_div(count, block); }
  /// Where the codes begin: behind the scales.
  constexpr index_t code_offset(index_t count) const { return scaled() ? 4 * blocks(count) : 0; }
  /// Bytes of `count` numbers: the scales of all blocks, then the codes, then zeros up to a
  /// multiple of four.
  constexpr index_t bytes(index_t count) const {
    return (code_offset(count) + ceil_div(count * bits(), 8) + 3) / 4 * 4;
  }
  /// How many groups of 128 random numbers the stochastic rounding of `count` numbers takes.
  constexpr std::uint64_t draws(index_t count) const {
    return stochastic ? static_cast<std::uint64_t>(blocks(count) * ceil_div(block, 128)) : 0;
  }
  /// What the ranks compare: version, code, rounding and block, as eight readable bytes.
  constexpr std::uint64_t fingerprint() const {
    return static_cast<std::uint64_t>(wire_version) << 48 | static_cast<std::uint64_t>(code) << 40 |
           std::uint64_t{stochastic} << 32 | static_cast<std::uint64_t>(block);
  }
  /// "int8, blocks of 256, stochastic"
  std::string text() const {
    std::string out(name_of(code));
    if (scaled()) out += dsr1::text(", blocks of ", block);
    return stochastic ? out + ", stochastic" : out;
  }
};

/// Throws `error` unless the block is an even number that the handshake can tell.
inline void validate(const wire_format& f) {
  if (f.block < 2 || f.block % 2 != 0 || f.block > index_t{1} << 24)  // no text otherwise
    throw error(text("wire format ", f.text(), ": a block of ", f.block,
                     " numbers, expected an even number from 2 to 16777216"));
  expects(!f.stochastic || f.code != wire_code::f32, "wire format f32 is exact, but `stochastic`",
          " is set; expected it unset");
}

/// What the operations below ask of their operands, the same of every backend. Throws `error`
/// naming the operation and what does not fit: unless `bytes` are as many as x takes.
template <class X, class B>
void expect_wire_bytes(const char* name, const wire_format& f, const view<X, 2>& x,
                       const view<B, 2>& bytes) {
  validate(f);
  if (bytes.rows() != x.rows() || bytes.columns() != f.bytes(x.columns()))  // no text otherwise
    throw error(text(name, " of ", extents_text(x), " numbers in ", f.text(), ": the bytes are ",
                     extents_text(bytes), ", expected [", x.rows(), ", ", f.bytes(x.columns()),
                     "]"));
}
/// What wire_pack asks.
template <class T>
void expect_wire_pack(const wire_format& f, const view<const T, 2>& x, const view<T, 2>& residual,
                      const view<std::byte, 2>& bytes) {
  expect_wire_bytes("wire_pack", f, x, bytes);
  expects(residual.data == nullptr || same_extents(x, residual), "wire_pack: the residual is ",
          extents_text(residual), ", expected ", extents_text(x), " as the numbers");
}

/// A block whose largest magnitude is below this counts as zeros: its scale would lose bits.
inline constexpr float wire_smallest = 0x1p-100f;
/// A block with a magnitude of this or more counts as not finite: decoding might overflow.
inline constexpr float wire_limit = 0x1p127f;

/// The scale that is written, and what multiplies a number before it is rounded.
struct wire_scale {
  float scale = 0, inverse = 0;
};
/// Of a block with this largest magnitude, whose bits compare NaN as the largest.
constexpr wire_scale wire_scale_of(wire_code code, std::uint32_t magnitude) {
  if (magnitude >= std::bit_cast<std::uint32_t>(wire_limit))
    return {std::bit_cast<float>(0x7fc00000u), 0};
  const auto largest = std::bit_cast<float>(magnitude);
  if (largest < wire_smallest) return {};
  const float top = code == wire_code::fp8 ? 448.0f : code == wire_code::int8 ? 127.0f : 7.0f;
  return {largest / top, top / largest};
}

/// x [rows, n] and bytes [rows, format.bytes(n)]; every row is coded by itself, and the bytes have
/// no alignment.
/// wire_pack(ctx, format, x, residual, random, first, bytes)
///     codes v = x + residual, and leaves in `residual` v - (decoded v); an empty residual is zero
///     and is not kept. Block j of row r rounds with the draws from
///     first + r draws(n) + j ceil(block / 128) on. A block with a number that is not finite gets
///     NaN for a scale and zeros for codes, and leaves its residual as it was; in f32 and bf16 such
///     numbers are themselves.
/// wire_unpack(ctx, format, bytes, y)       y [rows, n] = decoded
/// wire_unpack_add(ctx, format, bytes, y)   y += decoded
/// first_not_finite(ctx, v)                 the place of the first number in v [n] whose magnitude
///                                          is not below 2^127; -1 when there is none
/// Decoded numbers are floats: code * scale, rounded once. A `double` is coded as the float that it
/// rounds to, and its residual keeps the rest. Bytes depend on nothing but the arguments: not on
/// threads, the instruction set or strides.
template <class Ctx, class T>
concept wire_ops =
    requires(Ctx& ctx, const wire_format& format, view<const T, 2> x, view<T, 2> y,
             const random_stream& random, view<std::byte, 2> to, view<const std::byte, 2> from) {
      Ctx::backend::wire_pack(ctx, format, x, y, random, std::uint64_t{}, to);
      Ctx::backend::wire_unpack(ctx, format, from, y);
      Ctx::backend::wire_unpack_add(ctx, format, from, y);
      { Ctx::backend::first_not_finite(ctx, x[0]) } -> std::convertible_to<index_t>;
    };

}  // namespace dsr1
