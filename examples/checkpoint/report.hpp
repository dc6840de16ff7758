// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The table of check_checkpoint.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <dsr1/testing/compare.hpp>

namespace checkpoint {

/// One kind of tensor: the largest error over all of them, and what is allowed.
struct finding {
  std::string kind;
  std::string form;  ///< in which number type, and how the weights were held
  dsr1::testing::difference difference;
  double tolerance = 0;
  dsr1::index_t tensors = 0;

  bool passed() const { return difference.absolute <= tolerance; }
};

class report {
 public:
  /// Adds a comparison to the row of its kind; the strictest verdict stands.
  void add(const std::string& form, const std::string& kind, dsr1::testing::difference d,
           double tolerance) {
    auto it = std::find_if(rows_.begin(), rows_.end(),
                           [&](const finding& f) { return f.kind == kind && f.form == form; });
    if (it == rows_.end()) it = rows_.insert(rows_.end(), finding{kind, form, {}, 0, 0});
    ++it->tensors;
    // The tolerance of a gradient depends on its scale: keep the pair that is closest to a miss.
    if (it->tensors > 1 && d.absolute * it->tolerance <= it->difference.absolute * tolerance)
      return;
    it->difference = d;
    it->tolerance = tolerance;
  }

  bool passed() const {
    return !rows_.empty() &&
           std::all_of(rows_.begin(), rows_.end(), [](const finding& f) { return f.passed(); });
  }

  void print() const;

 private:
  std::vector<finding> rows_;
};

}  // namespace checkpoint
