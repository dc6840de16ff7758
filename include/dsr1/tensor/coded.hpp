// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Weight matrices that stay as they are stored: codes, scales, and what keeps their memory alive.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

/// How the elements of a weight matrix are coded.
///     f32, f16, bf16   the number itself, no scale
///     fp8              E4M3 (no infinities), times a float per block of 128 x 128 (DeepSeek-V3)
///     mxfp4            E2M1, two to a byte (the even column in the low half), times 2^(s - 127)
///                      with a byte s per 32 columns (OCP MX 1.0; gpt-oss)
///     int8             c in [-127, 127], times a half per 32 columns
///     int4             c in [0, 15], two to a byte as above; (c - 8) times a half per 32 columns
enum class coding : std::uint8_t { f32, f16, bf16, fp8, mxfp4, int8, int4 };

struct coding_info {
  coding type;
  std::string_view name;
  index_t bits;           ///< of a code
  index_t block_columns;  ///< columns and
  index_t block_rows;     ///< rows that share a scale
  index_t scale_bytes;    ///< of a scale; 0 when there is none
};

/// In the order of `coding`.
inline constexpr std::array<coding_info, 7> codings = {{{coding::f32, "f32", 32, 1, 1, 0},
                                                        {coding::f16, "f16", 16, 1, 1, 0},
                                                        {coding::bf16, "bf16", 16, 1, 1, 0},
                                                        {coding::fp8, "fp8", 8, 128, 128, 4},
                                                        {coding::mxfp4, "mxfp4", 4, 32, 1, 1},
                                                        {coding::int8, "int8", 8, 32, 1, 2},
                                                        {coding::int4, "int4", 4, 32, 1, 2}}};

constexpr const coding_info& info_of(coding type) {
  return codings[static_cast<std::size_t>(type)];
}

/// Some rows of a matrix as one stored tensor holds them, row after row without gaps. The scales
/// are [ceil(rows / block_rows), ceil(columns / block_columns)], row-major.
struct coded_part {
  const std::byte* codes = nullptr;
  const std::byte* scales = nullptr;
  index_t rows = 0;
};

/// Where one row of codes lies, and the scales of its blocks.
struct coded_row {
  const std::byte* codes;
  const std::byte* scales;
};

/// `matrices` matrices [rows, columns] of one coding. Every matrix consists of the same number of
/// parts, which either follow one another (q, k and v of an attention layer) or alternate row by
/// row (gate and linear part of an expert), so that tensors which a checkpoint stores apart are one
/// operand without being copied. `owners` keep the memory (a mapped file, say) alive.
struct coded_tensor {
  coding type = coding::f32;
  index_t matrices = 1;
  index_t rows = 0;
  index_t columns = 0;
  bool alternating = false;
  std::vector<coded_part> parts = {};  ///< those of matrix 0, then those of matrix 1, ...
  std::vector<std::shared_ptr<const void>> owners = {};

  index_t size() const { return matrices * rows * columns; }
  index_t parts_per_matrix() const { return static_cast<index_t>(parts.size()) / matrices; }
  /// Bytes of a row of codes, and of a row of scales.
  index_t row_bytes() const { return columns * info_of(type).bits / 8; }
  index_t scale_row_bytes() const {
    return ceil_div(columns, info_of(type).block_columns) * info_of(type).scale_bytes;
  }
  /// Bytes of the codes and of the scales of a part.
  index_t code_bytes(const coded_part& p) const { return p.rows * row_bytes(); }
  index_t scale_bytes(const coded_part& p) const {
    return ceil_div(p.rows, info_of(type).block_rows) * scale_row_bytes();
  }
  /// Bytes of all codes and scales.
  index_t bytes() const {
    index_t sum = 0;
    for (const coded_part& p : parts) sum += code_bytes(p) + scale_bytes(p);
    return sum;
  }

  coded_row row(index_t matrix, index_t r) const {
    const index_t count = parts_per_matrix();
    const coded_part* p = parts.data() + matrix * count;
    if (alternating) {
      p += r % count;
      r /= count;
    } else {
      for (; r >= p->rows; ++p) r -= p->rows;
    }
    return {p->codes + r * row_bytes(),
            p->scales ? p->scales + r / info_of(type).block_rows * scale_row_bytes() : nullptr};
  }

  /// "mxfp4 [128, 5760, 2880]"
  std::string text() const {
    return std::string(info_of(type).name) + " [" +
           (matrices > 1 ? std::to_string(matrices) + ", " : "") + std::to_string(rows) + ", " +
           std::to_string(columns) + "]";
  }

  /// Throws `error` when the parts do not make up the matrices or codes do not fill their bytes.
  void check() const {
    expects(matrices > 0 && rows >= 0 && columns >= 0 && !parts.empty() &&
                static_cast<index_t>(parts.size()) % matrices == 0,
            "a coded tensor ", text(), " of ", parts.size(), " parts");
    expects(columns * info_of(type).bits % 8 == 0, "a coded tensor ", text(),
            ": a row is no whole number of bytes");
    expects(info_of(type).bits > 4 || columns % info_of(type).block_columns == 0, "a coded tensor ",
            text(), ": ", columns, " columns, expected a multiple of ",
            info_of(type).block_columns);
    const index_t count = parts_per_matrix();
    for (index_t m = 0; m < matrices; ++m) {
      index_t sum = 0;
      for (index_t i = 0; i < count; ++i) {
        const coded_part& p = parts[static_cast<std::size_t>(m * count + i)];
        expects(p.codes != nullptr && (p.scales != nullptr) == (info_of(type).scale_bytes > 0),
                "a coded tensor ", text(), ": part ", i, " of matrix ", m,
                " lacks its codes or scales");
        expects(!alternating || p.rows * count == rows, "a coded tensor ", text(), ": part ", i,
                " of matrix ", m, " has ", p.rows, " rows, expected ", rows / count);
        sum += p.rows;
      }
      expects(sum == rows, "a coded tensor ", text(), ": the parts of matrix ", m, " have ", sum,
              " rows");
    }
  }
};

}  // namespace dsr1
