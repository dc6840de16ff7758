// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Rows cut into consecutive groups: the tokens of each expert after sorting.
#pragma once

#include <span>

#include <dsr1/tensor/shape.hpp>

namespace dsr1 {

/// Group g has the rows [end of group g-1, ends[g]); the ends ascend and the last is the number of
/// rows. Does not own the ends.
class row_groups {
 public:
  row_groups() = default;
  explicit row_groups(std::span<const index_t> ends) : ends_(ends) {
    index_t last = 0;
    for (const index_t e : ends_) {
      expects(e >= last, "row_groups: an end of ", e, " after one of ", last);
      longest_ = e - last > longest_ ? e - last : longest_;
      last = e;
    }
  }

  index_t count() const { return static_cast<index_t>(ends_.size()); }
  index_t rows() const { return ends_.empty() ? 0 : ends_.back(); }
  index_t begin(index_t g) const { return g == 0 ? 0 : ends_[static_cast<std::size_t>(g - 1)]; }
  index_t end(index_t g) const { return ends_[static_cast<std::size_t>(g)]; }
  index_t length(index_t g) const { return end(g) - begin(g); }
  index_t longest() const { return longest_; }

 private:
  std::span<const index_t> ends_;
  index_t longest_ = 0;
};

}  // namespace dsr1
