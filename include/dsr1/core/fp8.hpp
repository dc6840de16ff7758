// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The two 8-bit floating-point storage types of OCP OFP8; arithmetic is done in float.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace dsr1 {

/// E4M3 without infinities: largest 448, smallest 2^-9, NaN at 0x7f and 0xff. Rounds to nearest,
/// ties to even; what is larger than 448, infinity too, becomes 448; NaN stays NaN.
struct fp8_e4m3 {
  std::uint8_t bits = 0;

  fp8_e4m3() = default;
  constexpr explicit fp8_e4m3(float value) noexcept {
    const auto u = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = (u >> 24) & 0x80u, magnitude = u & 0x7fffffffu;
    std::uint32_t code = 0x7f;
    if (magnitude < 0x3c800000u) {  // below 2^-6: subnormal, in units of 2^-9, the ulp of 2^14
      code = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0x1p14f) & 0xfu;
    } else if (magnitude <= 0x7f800000u) {
      const std::uint32_t rounded = magnitude + 0x7ffffu + ((magnitude >> 20) & 1u);
      code = std::min((rounded - (120u << 23)) >> 20, 0x7eu);
    }
    bits = static_cast<std::uint8_t>(sign | code);
  }
  constexpr explicit operator float() const noexcept {
    const std::uint32_t sign = std::uint32_t{bits & 0x80u} << 24, code = bits & 0x7fu;
    if (code == 0x7f) return std::bit_cast<float>(sign | 0x7fc00000u);
    const float magnitude = code < 8 ? static_cast<float>(code) * 0x1p-9f
                                     : std::bit_cast<float>((code << 20) + (120u << 23));
    return sign ? -magnitude : magnitude;
  }
};

/// E5M2, the upper half of an IEEE binary16: largest 57344, smallest 2^-16, infinities and NaN.
/// Rounds to nearest, ties to even; what is larger than 57344, infinity too, becomes 57344.
struct fp8_e5m2 {
  std::uint8_t bits = 0;

  fp8_e5m2() = default;
  constexpr explicit fp8_e5m2(float value) noexcept {
    const auto u = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = (u >> 24) & 0x80u, magnitude = u & 0x7fffffffu;
    std::uint32_t code = 0x7f;
    if (magnitude < 0x38800000u) {  // below 2^-14: subnormal, in units of 2^-16, the ulp of 2^7
      code = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0x1p7f) & 0x7u;
    } else if (magnitude <= 0x7f800000u) {
      const std::uint32_t rounded = magnitude + 0xfffffu + ((magnitude >> 21) & 1u);
      code = std::min((rounded - (112u << 23)) >> 21, 0x7bu);
    }
    bits = static_cast<std::uint8_t>(sign | code);
  }
  constexpr explicit operator float() const noexcept {
    const std::uint32_t sign = std::uint32_t{bits & 0x80u} << 24, code = bits & 0x7fu;
    if (code > 0x7c) return std::bit_cast<float>(sign | 0x7fc00000u);
    if (code == 0x7c) return std::bit_cast<float>(sign | 0x7f800000u);
    const float magnitude = code < 4 ? static_cast<float>(code) * 0x1p-16f
                                     : std::bit_cast<float>((code << 21) + (112u << 23));
    return sign ? -magnitude : magnitude;
  }
};

static_assert(sizeof(fp8_e4m3) == 1 && sizeof(fp8_e5m2) == 1);

}  // namespace dsr1
