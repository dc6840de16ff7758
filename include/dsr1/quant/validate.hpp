// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Looks for what no product may meet: scales and codes that stand for no finite number.
#pragma once

#include <vector>

#include <dsr1/quant/encode.hpp>

namespace dsr1 {

/// Throws `error` naming matrix, row and block of the first scale that is NaN, infinite or so large
/// that kernels cannot multiply by it (fp8: beyond 2^120). Reads the scales only.
inline void validate_scales(const coded_tensor& w) {
  w.check();
  const coding_info& info = info_of(w.type);
  if (info.scale_bytes == 0) return;
  const index_t blocks = ceil_div(w.columns, info.block_columns);
  with_codec(w.type, [&](auto c) {
    for (index_t m = 0; m < w.matrices; ++m)
      for (index_t r = 0; r < w.rows; ++r) {
        const std::byte* scales = w.row(m, r).scales;
        for (index_t b = 0; b < blocks; ++b)
          expects(c.sound(scales + b * info.scale_bytes), w.text(), ": matrix ", m, ", row ", r,
                  ", block ", b, " has a scale that is no finite number or too large");
      }
  });
}

/// The same, and the place of the first decoded number that is NaN or infinite. Reads everything.
inline void validate(const coded_tensor& w) {
  validate_scales(w);
  std::vector<float> row(static_cast<std::size_t>(w.columns));
  for (index_t m = 0; m < w.matrices; ++m)
    for (index_t r = 0; r < w.rows; ++r) {
      unpack(w, m, r, row.data());
      for (index_t c = 0; c < w.columns; ++c)
        expects(std::isfinite(row[static_cast<std::size_t>(c)]), w.text(), ": matrix ", m, ", row ",
                r, ", block ", c / info_of(w.type).block_columns, ": column ", c, " is ",
                row[static_cast<std::size_t>(c)]);
    }
}

}  // namespace dsr1
