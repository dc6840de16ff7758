// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The element and the scale of the OCP microscaling formats: E2M1 (fp4) and E8M0.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace dsr1 {

/// E2M1 in the low four bits: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives; no infinity, no NaN.
/// Rounds to nearest, ties to even; what is larger than 6, NaN too, becomes 6.
struct fp4_e2m1 {
  std::uint8_t bits = 0;

  fp4_e2m1() = default;
  constexpr explicit fp4_e2m1(float value) noexcept {
    const auto u = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = (u >> 28) & 0x8u, magnitude = u & 0x7fffffffu;
    std::uint32_t code = 7;
    if (magnitude < 0x3f800000u) {  // below 1: in units of 0.5, the ulp of 2^22
      code = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0x1p22f) & 0x3u;
    } else if (magnitude <= 0x40c00000u) {
      const std::uint32_t rounded = magnitude + 0x1fffffu + ((magnitude >> 22) & 1u);
      code = (rounded - (126u << 23)) >> 22;
    }
    bits = static_cast<std::uint8_t>(sign | code);
  }
  constexpr explicit operator float() const noexcept {
    const std::uint32_t code = bits & 7u;
    const float magnitude = code < 2 ? static_cast<float>(code) * 0.5f
                                     : std::bit_cast<float>((code << 22) + (126u << 23));
    return bits & 8u ? -magnitude : magnitude;
  }
};

/// E8M0: the power of two 2^(bits - 127); 255 is NaN, there is no zero and no sign.
struct e8m0 {
  std::uint8_t bits = 127;

  /// 2^exponent, the nearest there is.
  static constexpr e8m0 power(int exponent) noexcept {
    e8m0 x;
    x.bits = static_cast<std::uint8_t>(std::clamp(exponent, -127, 127) + 127);
    return x;
  }
  constexpr explicit operator float() const noexcept {
    return std::bit_cast<float>(bits == 0     ? 0x00400000u
                                : bits == 255 ? 0x7fc00000u
                                              : std::uint32_t{bits} << 23);
  }
};

static_assert(sizeof(fp4_e2m1) == 1 && sizeof(e8m0) == 1);

}  // namespace dsr1
