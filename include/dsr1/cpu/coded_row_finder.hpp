// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Where the rows of a coded matrix lie, found without divisions, and how many of them are a task.
#pragma once

#include <algorithm>
#include <cstdint>

#include <dsr1/cpu/coded_kernels.hpp>

namespace dsr1 {

/// `coded_tensor::row` of one matrix without its divisions.
class coded_row_finder {
 public:
  coded_row_finder(const coded_tensor& w, index_t matrix)
      : count_(w.parts_per_matrix()),
        parts_(w.parts.data() + matrix * count_),
        alternating_(w.alternating && count_ > 1),
        row_bytes_(w.row_bytes()),
        scale_bytes_(w.scale_row_bytes()),
        scale_rows_(info_of(w.type).block_rows) {}
  coded_row operator()(index_t r) const {
    const coded_part* p = parts_;
    if (alternating_) {
      p += r % count_;
      r /= count_;
    } else {
      for (; r >= p->rows; ++p) r -= p->rows;
    }
    const index_t s = scale_rows_ == 1 ? r : r / scale_rows_;
    return {p->codes + r * row_bytes_, p->scales ? p->scales + s * scale_bytes_ : nullptr};
  }

  /// As many of the `wanted` rows from r on as lie at even distances.
  simd::coded_rows_run run(index_t r, index_t wanted) const {
    simd::coded_rows_run out;
    out.count = static_cast<int>(std::min<index_t>(wanted, 4));
    for (int i = 0; i < 4; ++i) out.row[i] = (*this)(r + std::min(i, out.count - 1));
    const bool pair = alternating_ && count_ == 2;
    index_t left = wanted;  // that follow one another in their part and share a row of scales
    if (alternating_) {
      if (!pair || scale_rows_ > 1) left = 4;
    } else {
      const coded_part* p = parts_;
      for (; r >= p->rows; ++p) r -= p->rows;
      left = std::min(left, p->rows - r);
      if (scale_rows_ > 1) left = std::min(left, scale_rows_ - r % scale_rows_);
    }
    out.fours = std::max<index_t>(left / 4, 1);
    const index_t step = pair ? 2 : 4;
    out.code_step = step * row_bytes_;
    out.scale_step = scale_rows_ > 1 ? 0 : step * scale_bytes_;
    // Memory is asked for in the order in which it lies, a few lines ahead of its use.
    const auto place = [&](int i) {
      return reinterpret_cast<std::uintptr_t>(out.row[i].codes) + 4096;
    };
    out.ahead[0] = place(0);
    if (pair) out.ahead[1] = place(1);
    out.ahead_rows = step;
    return out;
  }

 private:
  index_t count_;
  const coded_part* parts_;
  bool alternating_;
  index_t row_bytes_, scale_bytes_, scale_rows_;
};

/// Long tasks, because reading from memory takes a while to get going, but several for every
/// thread: 32 to 128 KiB of codes, some microseconds for one token. A multiple of `tile` rows, one
/// tile at least.
inline index_t coded_task_rows(const coded_tensor& w, index_t all_rows, int workers, index_t tile) {
  const index_t bytes = std::max<index_t>(w.row_bytes(), 1);
  const index_t share = all_rows * bytes / (8 * workers);
  const index_t rows = std::min<index_t>(std::clamp<index_t>(share, 32'768, 131'072) / bytes, 512);
  return std::max<index_t>(rows / tile, 1) * tile;
}

}  // namespace dsr1
