// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// How far two tensors are apart; for tests of this library and of its users' policies.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include <dsr1/tensor/view.hpp>

namespace dsr1::testing {

/// The largest absolute difference, and the largest magnitude of the reference beside it.
/// A NaN or infinity on one side only makes the difference infinite.
struct difference {
  double absolute = 0;
  double scale = 0;

  double relative() const { return scale > 0 ? absolute / scale : absolute; }
};

template <class A, class B>
difference compare(const A* values, const B* reference, index_t count) {
  difference d;
  for (index_t i = 0; i < count; ++i) {
    const double a = static_cast<double>(values[i]), b = static_cast<double>(reference[i]);
    if (a == b || (std::isnan(a) && std::isnan(b))) {
      if (std::isfinite(b)) d.scale = std::max(d.scale, std::abs(b));
      continue;
    }
    const double gap = std::abs(a - b);
    d.absolute =
        std::max(d.absolute, std::isfinite(gap) ? gap : std::numeric_limits<double>::infinity());
    if (std::isfinite(b)) d.scale = std::max(d.scale, std::abs(b));
  }
  return d;
}

template <class A, class B, int Rank>
difference compare(const view<A, Rank>& values, const view<B, Rank>& reference) {
  expects(same_extents(values, reference), "compare of ", extents_text(values), " with ",
          extents_text(reference));
  difference d;
  for (index_t r = 0; r < values.rows(); ++r) {
    const difference one = compare(values.row(r), reference.row(r), values.row_size());
    d.absolute = std::max(d.absolute, one.absolute);
    d.scale = std::max(d.scale, one.scale);
  }
  return d;
}

}  // namespace dsr1::testing
