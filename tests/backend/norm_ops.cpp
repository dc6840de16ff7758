// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The contract of normalisation: each operation is asked for.

#include "backend/fake_backend.hpp"
#include "catch.hpp"

#include <dsr1/backend/norm_ops.hpp>

using namespace dsr1;

namespace {

/// All operations of the group, with any arguments.
struct complete : fake_backend {
  template <class... A>
  static void rms_norm(A&&...) {}
  template <class... A>
  static void rms_norm_backward(A&&...) {}
};

// A name of a derived struct hides the operation of that name.
struct without_rms_norm : complete {
  static void rms_norm() {}
};
struct without_rms_norm_backward : complete {
  static void rms_norm_backward() {}
};

template <class Backend>
constexpr bool fits = norm_ops<context<Backend>, float> && norm_ops<context<Backend>, double>;

static_assert(fits<complete>);
static_assert(!fits<fake_backend>);
static_assert(!fits<without_rms_norm>);
static_assert(!fits<without_rms_norm_backward>);

}  // namespace

TEST_CASE("norm_ops: three places to round, of which none is the default") {
  CHECK(norm_rounding{} == norm_rounding::none);
  CHECK(norm_rounding::after_weight != norm_rounding::before_weight);
}
