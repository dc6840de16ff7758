// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The contract of losses on rows of logits: each operation is asked for.

#include "backend/fake_backend.hpp"
#include "catch.hpp"

#include <dsr1/backend/loss_ops.hpp>

using namespace dsr1;

namespace {

/// All operations of the group, with any arguments.
struct complete : fake_backend {
  template <class... A>
  static void cross_entropy_rows(A&&...) {}
};

// A name of a derived struct hides the operation of that name.
struct without_cross_entropy_rows : complete {
  static void cross_entropy_rows() {}
};

template <class Backend>
constexpr bool fits = loss_ops<context<Backend>, float> && loss_ops<context<Backend>, double>;

static_assert(fits<complete>);
static_assert(!fits<fake_backend>);
static_assert(!fits<without_cross_entropy_rows>);

}  // namespace

TEST_CASE("loss_ops: the contract is checked when this file is compiled") { SUCCEED(); }
