// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// A rank's part of a batch that all ranks have read.
#pragma once

#include <vector>

#include <dsr1/data/batch.hpp>

namespace dsr1 {

/// Whole sequences of a batch, consecutive, so that the ranks together compute exactly what one
/// rank would, in the same order. A sequence goes to rank floor(middle * ranks / tokens), where
/// `middle` is that of its rows: the parts differ by at most the longest sequence, and may be
/// empty.
class batch_share {
 public:
  /// Throws `error` unless 0 <= rank < ranks. The batch must outlive what is read from the share.
  void take(const packed_batch& batch, int rank, int ranks) {
    expects(rank >= 0 && rank < ranks, "the share of rank ", rank, " of ", ranks, " in a batch");
    sequences_.clear();
    index_t begin = 0, count = 0;
    const sequence_layout all = batch.sequences();
    for (index_t i = 0; i < all.count(); ++i) {
      sequence s = all[i];
      const index_t to = (2 * s.begin + s.length) * ranks / (2 * batch.tokens());
      if (to < rank) begin = s.begin + s.length;
      if (to != rank) continue;
      s.begin = count;
      count += s.length;
      sequences_.push_back(s);
    }
    inputs_ = batch.inputs().slice_rows(begin, count);
    targets_ = batch.targets().slice_rows(begin, count);
  }

  view<const std::int32_t, 1> inputs() const { return inputs_; }
  view<const std::int32_t, 1> targets() const { return targets_; }
  /// Valid until the next `take`.
  sequence_layout sequences() const { return std::span<const sequence>(sequences_); }

 private:
  view<const std::int32_t, 1> inputs_, targets_;
  std::vector<sequence> sequences_;
};

}  // namespace dsr1
