// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The contract of gated units, and the units that have a name.

#include "backend/fake_backend.hpp"
#include "catch.hpp"

#include <dsr1/backend/glu_ops.hpp>

using namespace dsr1;

namespace {

/// All operations of the group, with any arguments.
struct complete : fake_backend {
  template <class... A>
  static void gated_unit(A&&...) {}
  template <class... A>
  static void gated_unit_backward(A&&...) {}
};

// A name of a derived struct hides the operation of that name.
struct without_gated_unit : complete {
  static void gated_unit() {}
};
struct without_gated_unit_backward : complete {
  static void gated_unit_backward() {}
};

template <class Backend>
constexpr bool fits = glu_ops<context<Backend>, float> && glu_ops<context<Backend>, double>;

static_assert(fits<complete>);
static_assert(!fits<fake_backend>);
static_assert(!fits<without_gated_unit>);
static_assert(!fits<without_gated_unit_backward>);

}  // namespace

TEST_CASE("glu_ops: SwiGLU has no clamp and no offset, the unit of gpt-oss has both") {
  constexpr glu plain = glu::swiglu(), clamped = glu::clamped_swiglu();
  static_assert(plain.alpha == 1 && plain.offset == 0);
  static_assert(plain.limit == std::numeric_limits<double>::infinity());
  static_assert(clamped.alpha == 1.702 && clamped.limit == 7 && clamped.offset == 1);
  constexpr glu own{.alpha = 2, .limit = 3};
  CHECK(own.offset == 0);
}
