// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// One block of numbers to bytes and back in portable C++: the specification in code.
#pragma once

#include <cmath>
#include <cstring>

#include <dsr1/backend/wire_ops.hpp>
#include <dsr1/core/float16.hpp>
#include <dsr1/core/fp8.hpp>
#include <dsr1/cpu/simd_generic.hpp>

namespace dsr1::simd {

/// Keeps a product as it is rounded: a compiler that fuses it with a sum would give other bits.
template <class V>
DSR1_INLINE void settle(V& x) {
#if defined(__x86_64__)
  __asm__("" : "+x"(x));
#elif defined(__aarch64__)
  __asm__("" : "+w"(x));
#else
  __asm__("" : "+m"(x));
#endif
}

/// Sixteen random bits for each of 128 numbers, from the 16 Philox calls of one draw: number e has
/// the low (e < 64) or high half of word e / 16 % 4 of call 16 draw + e % 16.
inline void wire_draw(const random_stream& random, std::uint64_t draw, std::uint32_t (&out)[128]) {
  for (std::uint32_t lane = 0; lane < 16; ++lane) {
    const philox p = random.words(16 * draw + lane);
    for (std::uint32_t w = 0; w < 4; ++w) {
      out[16 * w + lane] = p.word[w] & 0xffffu;
      out[16 * w + lane + 64] = p.word[w] >> 16;
    }
  }
}

template <class Isa>
struct wire_kernels;

template <class T>
struct wire_kernels<generic<T>> {
  /// x [n] of one block, and its residual where there is one (see `wire_ops`); the stochastic
  /// rounding takes its bits from `draw` on.
  static void pack(const wire_format& f, const T* x, T* residual, index_t n,
                   const random_stream& random, std::uint64_t draw, std::byte* scale,
                   std::byte* codes) {
    wire_scale s{1, 1};
    if (f.scaled()) {
      std::uint32_t largest = 0;
      for (index_t i = 0; i < n; ++i)
        largest = std::max(largest, magnitude(static_cast<float>(sum(x, residual, i))));
      s = wire_scale_of(f.code, largest);
      std::memcpy(scale, &s.scale, 4);
      if (!(s.scale > 0)) {
        std::memset(codes, 0, static_cast<std::size_t>(ceil_div(n * f.bits(), 8)));
        for (index_t i = 0; s.scale == 0 && residual && i < n; ++i) residual[i] += x[i];
        return;
      }
    }
    std::uint32_t bits[128] = {};
    for (index_t i = 0; i < n; ++i) {
      if (f.stochastic && i % 128 == 0)
        wire_draw(random, draw + static_cast<std::uint64_t>(i / 128), bits);
      const T v = sum(x, residual, i);
      const float decoded = code(f, static_cast<float>(v), s, bits[i % 128], i, codes);
      if (residual) residual[i] = v - static_cast<T>(decoded);
    }
  }

  /// y [n] = or += what the bytes of one block stand for.
  static void unpack(const wire_format& f, const std::byte* scale, const std::byte* codes,
                     index_t n, T* y, bool add) {
    float s = 1;
    if (f.scaled()) std::memcpy(&s, scale, 4);
    for (index_t i = 0; i < n; ++i) {
      const T d = static_cast<T>(decode(f.code, codes, i, s));
      y[i] = add ? y[i] + d : d;
    }
  }

  static index_t first_not_finite(const T* x, index_t n) {
    for (index_t i = 0; i < n; ++i)
      if (!(std::abs(x[i]) < static_cast<T>(wire_limit))) return i;
    return -1;
  }

 private:
  static std::uint32_t magnitude(float v) { return std::bit_cast<std::uint32_t>(v) & 0x7fffffffu; }
  static T sum(const T* x, const T* residual, index_t i) {
    return residual ? x[i] + residual[i] : x[i];
  }

  /// Writes the code of number i of the block and returns what it stands for.
  static float code(const wire_format& f, float v, const wire_scale& s, std::uint32_t random,
                    index_t i, std::byte* codes) {
    if (f.code == wire_code::f32) {
      std::memcpy(codes + 4 * i, &v, 4);
    } else if (f.code == wire_code::bf16) {
      bf16 b(v);
      if (f.stochastic && v == v)
        b.bits = static_cast<std::uint16_t>((std::bit_cast<std::uint32_t>(v) + random) >> 16);
      std::memcpy(codes + 2 * i, &b, 2);
    } else {
      float q = v * s.inverse;
      settle(q);
      const float up = (static_cast<float>(random) + 0.5f) * 0x1p-16f;
      int c = 0;
      if (f.code == wire_code::fp8) {
        c = f.stochastic ? stochastic_fp8(q, random, up) : fp8_e4m3(q).bits;
      } else {
        const float top = f.code == wire_code::int8 ? 127 : 7;
        const float r = f.stochastic ? std::floor(q + up) : std::nearbyint(q);
        c = static_cast<int>(std::min(std::max(r, -top), top));
      }
      if (f.code == wire_code::int4)
        put_half(codes, i, c);
      else
        codes[i] = static_cast<std::byte>(c);
    }
    return decode(f.code, codes, i, s.scale);
  }

  static int stochastic_fp8(float q, std::uint32_t random, float up) {
    const std::uint32_t m = magnitude(q), sign = std::bit_cast<std::uint32_t>(q) >> 24 & 0x80u;
    const std::uint32_t c = m < 0x3c800000u
                                ? static_cast<std::uint32_t>(std::bit_cast<float>(m) * 512 + up)
                                : std::min((m + (random << 4) + 8 - (120u << 23)) >> 20, 0x7eu);
    return static_cast<int>(sign | c);
  }

  /// An even place writes the whole byte, so that no old half stays behind an odd number of them.
  static void put_half(std::byte* codes, index_t i, int c) {
    const auto low = static_cast<std::byte>(c & 15);
    codes[i / 2] = i % 2 == 0 ? low : codes[i / 2] | low << 4;
  }

  static float decode(wire_code code, const std::byte* codes, index_t i, float s) {
    if (code == wire_code::f32) {
      float v;
      std::memcpy(&v, codes + 4 * i, 4);
      return v;
    }
    if (code == wire_code::bf16) {
      bf16 b;
      std::memcpy(&b, codes + 2 * i, 2);
      return static_cast<float>(b);
    }
    float d;
    if (code == wire_code::fp8) {
      fp8_e4m3 c;
      c.bits = static_cast<std::uint8_t>(codes[i]);
      d = static_cast<float>(c) * s;
    } else if (code == wire_code::int8) {
      d = static_cast<float>(static_cast<std::int8_t>(codes[i])) * s;
    } else {
      const int half = static_cast<int>(codes[i / 2] >> (i % 2 * 4) & std::byte{15});
      d = static_cast<float>((half ^ 8) - 8) * s;
    }
    settle(d);
    return d;
  }
};

}  // namespace dsr1::simd
