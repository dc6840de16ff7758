// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The contract of a policy's rows of logits: each operation is asked for.

#include "backend/fake_backend.hpp"
#include "catch.hpp"

#include <dsr1/backend/policy_ops.hpp>

using namespace dsr1;

namespace {

/// All operations of the group, with any arguments.
struct complete : fake_backend {
  template <class... A>
  static void policy_rows(A&&...) {}
  template <class... A>
  static void policy_gradient_rows(A&&...) {}
};

// A name of a derived struct hides the operation of that name.
struct without_policy_rows : complete {
  static void policy_rows() {}
};
struct without_policy_gradient_rows : complete {
  static void policy_gradient_rows() {}
};

template <class Backend>
constexpr bool fits = policy_ops<context<Backend>, float> && policy_ops<context<Backend>, double>;

static_assert(fits<complete>);
static_assert(!fits<fake_backend>);
static_assert(!fits<without_policy_rows>);
static_assert(!fits<without_policy_gradient_rows>);

}  // namespace

TEST_CASE("policy_ops: the contract is checked when this file is compiled") { SUCCEED(); }
