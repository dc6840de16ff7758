// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What one thread does with eight numbers on the wire: load, code, decode, store.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

#include <dsr1/backend/wire_ops.hpp>
#include <dsr1/core/fp8.hpp>
#include <dsr1/cuda/launch.cuh>
#include <dsr1/cuda/warp.cuh>

namespace dsr1::cuda_kernels {

/// Numbers of a lane: neighbours, so that their codes are one or a few whole words.
inline constexpr int wire_each = 8;

/// How the numbers are dealt out. Some lanes, a power of two, have a piece of a block; pieces of
/// small blocks share a warp, large blocks have many.
struct wire_deal {
  index_t rows, n, block, blocks;
  index_t codes;       ///< where they begin in a row of bytes
  index_t pieces = 1;  ///< of a block
  int log_lanes = 0;   ///< of a piece

  wire_deal(const wire_format& f, index_t row_count, index_t count)
      // Without scales and draws blocks mean nothing.
      : rows(row_count),
        n(count),
        block(f.scaled() || f.stochastic ? f.block : std::max(n, index_t{1})),
        blocks(ceil_div(n, block)),
        codes(f.code_offset(n)) {
    const index_t width = std::min(block, n);
    while (1 << log_lanes < warp_size && piece() < width) ++log_lanes;
    pieces = ceil_div(width, piece());
  }
  /// Numbers of a piece.
  DSR1_HOST_DEVICE index_t piece() const { return index_t{wire_each} << log_lanes; }
  index_t threads() const { return rows * blocks * pieces << log_lanes; }
};

/// What one thread has of it.
struct wire_part {
  index_t row, block;
  index_t at;      ///< its first number in the block
  index_t column;  ///< and in the row
  int count;       ///< 0 to 8

  __device__ wire_part(const wire_deal& d, index_t thread) {
    const index_t piece = thread >> d.log_lanes, in_row = d.blocks * d.pieces;
    row = piece / in_row;
    block = piece % in_row;
    at = (thread & ((1 << d.log_lanes) - 1)) * wire_each;
    if (d.pieces > 1) {
      at += block % d.pieces * d.piece();
      block /= d.pieces;
    }
    column = block * d.block + at;
    const index_t left = std::min(d.block - at, d.n - column);
    count = row < d.rows ? static_cast<int>(std::clamp(left, index_t{0}, index_t{wire_each})) : 0;
  }
};

template <int Alignment>
__device__ bool wire_aligned(const void* p) {
  return reinterpret_cast<std::uintptr_t>(p) % Alignment == 0;
}

/// Copies whose addresses are multiples of Alignment, which makes them accesses of that width. (The
/// pointers to void are for nvcc 13, which fails where the assumption is of another pointer.)
template <int Alignment, class T, int N>
__device__ void wire_read(const T* from, T (&to)[N]) {
#pragma unroll
  for (int i = 0; i < N; i += Alignment / static_cast<int>(sizeof(T))) {
    const void* const p = from + i;
    std::memcpy(to + i, __builtin_assume_aligned(p, Alignment), Alignment);
  }
}
template <int Alignment, class T, int N>
__device__ void wire_write(T* to, const T (&from)[N]) {
#pragma unroll
  for (int i = 0; i < N; i += Alignment / static_cast<int>(sizeof(T))) {
    void* const p = to + i;
    std::memcpy(__builtin_assume_aligned(p, Alignment), from + i, Alignment);
  }
}

/// The first numbers of a lane; zeros for those that it has not.
template <class T>
__device__ void wire_load(const T* from, int count, T (&to)[wire_each]) {
  if (count == wire_each && wire_aligned<16>(from)) return wire_read<16>(from, to);
#pragma unroll
  for (int i = 0; i < wire_each; ++i) to[i] = i < count ? from[i] : T(0);
}
template <class T>
__device__ void wire_store(T* to, int count, const T (&from)[wire_each]) {
  if (count == wire_each && wire_aligned<16>(to)) return wire_write<16>(to, from);
#pragma unroll
  for (int i = 0; i < wire_each; ++i)
    if (i < count) to[i] = from[i];
}

/// Words from or to any address; of the last word perhaps some bytes only.
template <int N>
__device__ void wire_load_bytes(const std::byte* from, int bytes, std::uint32_t (&to)[N]) {
  constexpr int whole = 4 * N, most = whole < 16 ? whole : 16;
  const auto* const words = reinterpret_cast<const std::uint32_t*>(from);
  if (bytes == whole && wire_aligned<most>(from)) return wire_read<most>(words, to);
  if (bytes == whole && wire_aligned<4>(from)) return wire_read<4>(words, to);
#pragma unroll
  for (int i = 0; i < whole; ++i) {
    if (i % 4 == 0) to[i / 4] = 0;
    if (i < bytes) to[i / 4] |= static_cast<std::uint32_t>(from[i]) << i % 4 * 8;
  }
}
template <int N>
__device__ void wire_store_bytes(std::byte* to, int bytes, const std::uint32_t (&from)[N]) {
  constexpr int whole = 4 * N, most = whole < 16 ? whole : 16;
  auto* const words = reinterpret_cast<std::uint32_t*>(to);
  if (bytes == whole && wire_aligned<most>(to)) return wire_write<most>(words, from);
  if (bytes == whole && wire_aligned<4>(to)) return wire_write<4>(words, from);
#pragma unroll
  for (int i = 0; i < whole; ++i)
    if (i < bytes) to[i] = static_cast<std::byte>(from[i / 4] >> i % 4 * 8 & 255);
}

/// x + residual. The CPU keeps sign and payload of a NaN, and they travel in f32 and bf16; a
/// device's arithmetic makes all NaNs the same.
template <class T>
__device__ T wire_sum(T x, T residual) {
  const T sum = x + residual;
  if (sum == sum) return sum;
  using word = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  constexpr word quiet = word{1} << (sizeof(T) == 4 ? 22 : 51);
  constexpr word none = ~(quiet - 1);  // of infinity - infinity
  return std::bit_cast<T>(x != x                 ? std::bit_cast<word>(x) | quiet
                          : residual != residual ? std::bit_cast<word>(residual) | quiet
                                                 : none);
}
/// Rounded once; a NaN as in wire_sum.
__device__ inline float wire_float(float v) { return v; }
__device__ inline float wire_float(double v) {
  if (v == v) return static_cast<float>(v);
  const auto bits = std::bit_cast<std::uint64_t>(v);
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits >> 32 & 0x80000000u) | 0x7fc00000u |
                              static_cast<std::uint32_t>(bits >> 29 & 0x3fffffu));
}
__device__ inline std::uint32_t wire_magnitude(float v) {
  return std::bit_cast<std::uint32_t>(v) & 0x7fffffffu;
}

/// The numbers that a lane codes, and their largest magnitude.
template <class T>
__device__ std::uint32_t wire_numbers(const wire_part& p, const view<const T, 2>& x,
                                      const view<T, 2>& residual, T (&v)[wire_each]) {
  wire_load(x.row(p.row) + p.column, p.count, v);
  if (residual.data) {
    T r[wire_each];
    wire_load(static_cast<const T*>(residual.row(p.row) + p.column), p.count, r);
#pragma unroll
    for (int i = 0; i < wire_each; ++i) v[i] = wire_sum(v[i], r[i]);
  }
  std::uint32_t largest = 0;
#pragma unroll
  for (int i = 0; i < wire_each; ++i) largest = std::max(largest, wire_magnitude(wire_float(v[i])));
  return largest;
}

/// Bits of a code.
template <wire_code Code>
inline constexpr int wire_bits = wire_format{.code = Code}.bits();

/// The code of v, in the low bits.
template <wire_code Code, bool Stochastic>
__device__ std::uint32_t wire_coded(float v, const wire_scale& s, std::uint32_t random) {
  const auto bits = std::bit_cast<std::uint32_t>(v);
  if constexpr (Code == wire_code::f32) {
    return bits;
  } else if constexpr (Code == wire_code::bf16) {
    if (v != v) return bits >> 16 | 0x40u;
    return (bits + (Stochastic ? random : 0x7fffu + (bits >> 16 & 1u))) >> 16;
  } else {
    const float q = s.scale > 0 ? __fmul_rn(v, s.inverse) : 0.0f;
    const float up = (static_cast<float>(random) + 0.5f) * 0x1p-16f;  // both exact
    if constexpr (Code == wire_code::fp8 && !Stochastic) {
      return fp8_e4m3(q).bits;
    } else if constexpr (Code == wire_code::fp8) {
      const std::uint32_t m = wire_magnitude(q),
                          sign = std::bit_cast<std::uint32_t>(q) >> 24 & 0x80u;
      if (m < 0x3c800000u)
        return sign | static_cast<std::uint32_t>(__fadd_rn(std::bit_cast<float>(m) * 512, up));
      return sign | std::min((m + (random << 4) + 8 - (120u << 23)) >> 20, 0x7eu);
    } else {
      constexpr int top = Code == wire_code::int8 ? 127 : 7;
      int c;
      if constexpr (Stochastic)
        c = static_cast<int>(std::floor(__fadd_rn(q, up)));
      else  // whole numbers are the units of the last bit here: cheaper than a conversion
        c = static_cast<int>(std::bit_cast<std::uint32_t>(__fadd_rn(q, 0x1.8p23f)) - 0x4b400000u);
      return static_cast<std::uint32_t>(std::clamp(c, -top, top));
    }
  }
}

/// What the low bits of c stand for.
template <wire_code Code>
__device__ float wire_decoded(std::uint32_t c, float scale) {
  if constexpr (Code == wire_code::f32) {
    return std::bit_cast<float>(c);
  } else if constexpr (Code == wire_code::bf16) {
    return std::bit_cast<float>(c << 16);
  } else if constexpr (Code == wire_code::fp8) {
    fp8_e4m3 e;
    e.bits = static_cast<std::uint8_t>(c);
    return __fmul_rn(static_cast<float>(e), scale);
  } else {  // the sign is the highest of the bits
    constexpr int above = 32 - wire_bits<Code>;
    return __fmul_rn(static_cast<float>(static_cast<std::int32_t>(c << above) >> above), scale);
  }
}

/// The sixteen random bits of each number of a lane. Sixteen lanes that have 128 numbers of one
/// draw make one Philox call each and exchange the words; where a piece is smaller, each lane makes
/// the calls it needs. All lanes take part.
__device__ inline void wire_random(const random_stream& random, std::uint64_t draw, index_t at,
                                   int log_lanes, std::uint32_t (&bits)[wire_each]) {
  constexpr int rows = warp_size + 4;  // four words every eight calls, or they share their banks
  alignas(16) __shared__ std::uint32_t words[cuda_block / warp_size][4 * rows];
  const int word = static_cast<int>(at / 16 % 4), half = at % 128 < 64 ? 0 : 16,
            first = static_cast<int>(at % 16);
  if (log_lanes >= 4) {
    const int lane = lane_number();
    const auto place = [](int call) { return 4 * (call + call / 8); };
    std::uint32_t* const mine = words[warp_number()];
    const philox p = random.words(16 * draw + static_cast<std::uint64_t>(lane % 16));
    wire_write<16>(mine + place(lane), p.word);
    __syncwarp();
#pragma unroll
    for (int i = 0; i < wire_each; ++i)
      bits[i] = mine[place(lane / 16 * 16 + first + i) + word] >> half & 0xffffu;
  } else {
#pragma unroll
    for (int i = 0; i < wire_each; ++i) {
      const philox p = random.words(16 * draw + static_cast<std::uint64_t>(first + i));
      bits[i] = p.word[word] >> half & 0xffffu;
    }
  }
}

}  // namespace dsr1::cuda_kernels
