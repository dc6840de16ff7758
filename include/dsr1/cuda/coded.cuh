// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// How the kernels of a CUDA device see coded weights, and decode them.
#pragma once

#include <bit>

#include <dsr1/core/fp4.hpp>
#include <dsr1/core/fp8.hpp>
#include <dsr1/cuda/residence_ops.cuh>

namespace dsr1 {

/// What kernels see of a coded tensor.
struct device_coded {
  const coded_part* parts;
  index_t parts_per_matrix;
  index_t rows, columns;
  index_t row_bytes, scale_row_bytes, scale_rows;
  bool alternating;

  device_coded(const coded_tensor& w, int device)
      : parts(static_cast<const coded_part*>(table_owner(w, device).get())),
        parts_per_matrix(w.parts_per_matrix()),
        rows(w.rows),
        columns(w.columns),
        row_bytes(w.row_bytes()),
        scale_row_bytes(w.scale_row_bytes()),
        scale_rows(info_of(w.type).block_rows),
        alternating(w.alternating && w.parts_per_matrix() > 1) {}

  /// As coded_tensor::row.
  __device__ coded_row row(index_t matrix, index_t r) const {
    const coded_part* p = parts + matrix * parts_per_matrix;
    if (alternating) {
      p += r % parts_per_matrix;
      r /= parts_per_matrix;
    } else {
      for (; r >= p->rows; ++p) r -= p->rows;
    }
    return {p->codes + r * row_bytes,
            p->scales ? p->scales + r / scale_rows * scale_row_bytes : nullptr};
  }
};

/// Consecutive columns of a row, as one lane reads them at once: they share a scale.
template <coding Type>
struct coded_run {
  static constexpr int bits = static_cast<int>(info_of(Type).bits);
  static constexpr int columns = bits <= 8 ? 16 : 128 / bits;
  static constexpr int bytes = columns * bits / 8;
  struct alignas(bytes) vector {
    std::uint32_t word[bytes / 4];
  };

  vector codes;
  float scale;

  /// False for some rows of a mapped file.
  __device__ static bool aligned(coded_row row) {
    return reinterpret_cast<std::uintptr_t>(row.codes) % bytes == 0;
  }

  /// The run that begins at a column; zeros beyond the edge. `whole`: rows are whole vectors.
  __device__ static coded_run load(coded_row row, index_t column, index_t row_bytes, bool whole) {
    coded_run out = {};
    const index_t first = column * bits / 8;
    if (first >= row_bytes) return out;
    if (whole) {
      out.codes = *reinterpret_cast<const vector*>(row.codes + first);
    } else {
#pragma unroll
      for (int i = 0; i < bytes; ++i)
        if (first + i < row_bytes)
          out.codes.word[i / 4] |= std::to_integer<std::uint32_t>(row.codes[first + i])
                                   << (i % 4 * 8);
    }
    const index_t block = column / info_of(Type).block_columns;
    if constexpr (Type == coding::fp8)
      out.scale = reinterpret_cast<const float*>(row.scales)[block];
    else if constexpr (Type == coding::mxfp4)
      out.scale = power(std::to_integer<std::uint32_t>(row.scales[block]));
    else if constexpr (info_of(Type).scale_bytes == 2)
      out.scale = half_value(reinterpret_cast<const std::uint16_t*>(row.scales)[block]);
    else
      out.scale = 1;
    return out;
  }

  /// By what `value`s have still to be multiplied; fp8 is rounded to float with its scale.
  __device__ float factor() const { return Type == coding::fp8 ? 1.0f : scale; }

  /// Columns 4 quad .. 4 quad + 3 of the run, without the factor. Unrolled, `quad` is a constant.
  __device__ void values(int quad, float (&out)[4]) const {
    if constexpr (Type == coding::mxfp4) {
      // Both upper bytes of the eight floats come from tables in a register pair.
      const std::uint32_t four = codes.word[quad / 2] >> (quad % 2 * 16);
      const std::uint32_t which = four & 0x7777u, sign = (four >> 3) & 0x1111u;
      const std::uint32_t high =
          __byte_perm(0x3f3f3f00u, 0x40404040u, which) | __byte_perm(0x00008000u, 0, sign);
      const std::uint32_t low = __byte_perm(0xc0800000u, 0xc0804000u, which);
      const std::uint32_t front = __byte_perm(low, high, 0x5140u);
      const std::uint32_t back = __byte_perm(low, high, 0x7362u);
      out[0] = std::bit_cast<float>(front << 16);
      out[1] = std::bit_cast<float>(front & 0xffff0000u);
      out[2] = std::bit_cast<float>(back << 16);
      out[3] = std::bit_cast<float>(back & 0xffff0000u);
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i) out[i] = value(4 * quad + i);
    }
  }

 private:
  // A whole number below 2^23 in the lower bits of 2^23 is that number, added.
  static constexpr std::uint32_t whole_bits = 0x4b000000u;

  __device__ float value(int i) const {
    if constexpr (Type == coding::f32) {
      return std::bit_cast<float>(codes.word[i]);
    } else if constexpr (Type == coding::bf16) {
      const std::uint32_t w = codes.word[i / 2];
      return std::bit_cast<float>(i % 2 ? w & 0xffff0000u : w << 16);
    } else if constexpr (Type == coding::f16) {
      return half_value(codes.word[i / 2] >> (i % 2 * 16) & 0xffffu);
    } else if constexpr (Type == coding::int8) {
      const std::uint32_t above = codes.word[i / 4] ^ 0x80808080u;
      return std::bit_cast<float>(__byte_perm(above, whole_bits, 0x7440u + i % 4)) -
             (0x1p23f + 128);
    } else if constexpr (Type == coding::int4) {
      return std::bit_cast<float>(whole_bits | (codes.word[i / 8] >> (i % 8 * 4) & 15u)) -
             (0x1p23f + 8);
    } else {
      return __fmul_rn(fp8_value(codes.word[i / 4] >> (i % 4 * 8) & 0xffu), scale);
    }
  }

  // Subnormal codes become fractions of a normal number, less one: no number of theirs passes
  // through subnormal floats, which a compiler may be told to flush.
  __device__ static float half_value(std::uint32_t h) {
    const std::uint32_t sign = (h & 0x8000u) << 16, magnitude = (h & 0x7fffu) << 13;
    float x = std::bit_cast<float>(magnitude + (112u << 23));
    if (magnitude >= 31u << 23) x = std::bit_cast<float>(magnitude | 0x7f800000u);
    if (magnitude < 1u << 23) x = std::bit_cast<float>(magnitude + (113u << 23)) - 0x1p-14f;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) | sign);
  }
  __device__ static float fp8_value(std::uint32_t c) {
    const std::uint32_t sign = (c & 0x80u) << 24, magnitude = (c & 0x7fu) << 20;
    float x = std::bit_cast<float>(magnitude + (120u << 23));
    if (magnitude == 0x7fu << 20) x = std::bit_cast<float>(0x7fc00000u);
    if (magnitude < 8u << 20) x = std::bit_cast<float>(magnitude + (121u << 23)) - 0x1p-6f;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) | sign);
  }
  __device__ static float power(std::uint32_t bits) {
    return std::bit_cast<float>(bits == 0 ? 0x00400000u : bits == 255 ? 0x7fc00000u : bits << 23);
  }
};

/// f(coding_constant<Type>) of the coding.
template <coding Type>
using coding_constant = std::integral_constant<coding, Type>;
template <class F>
void with_coding(coding type, F&& f) {
  switch (type) {
    case coding::f32:
      return f(coding_constant<coding::f32>());
    case coding::f16:
      return f(coding_constant<coding::f16>());
    case coding::bf16:
      return f(coding_constant<coding::bf16>());
    case coding::fp8:
      return f(coding_constant<coding::fp8>());
    case coding::mxfp4:
      return f(coding_constant<coding::mxfp4>());
    case coding::int8:
      return f(coding_constant<coding::int8>());
    case coding::int4:
      return f(coding_constant<coding::int4>());
  }
}

}  // namespace dsr1
