// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The contract of products with coded weights: each operation is asked for.

#include "backend/fake_backend.hpp"
#include "catch.hpp"

#include <dsr1/backend/quant_ops.hpp>

using namespace dsr1;

namespace {

/// All operations of the group, with any arguments.
struct complete : fake_backend {
  template <class... A>
  static void coded_matmul(A&&...) {}
  template <class... A>
  static void coded_rows(A&&...) {}
};

// A name of a derived struct hides the operation of that name.
struct without_coded_matmul : complete {
  static void coded_matmul() {}
};
struct without_coded_rows : complete {
  static void coded_rows() {}
};

template <class Backend>
constexpr bool fits = quant_ops<context<Backend>, float> && quant_ops<context<Backend>, double>;

static_assert(fits<complete>);
static_assert(!fits<fake_backend>);
static_assert(!fits<without_coded_matmul>);
static_assert(!fits<without_coded_rows>);

}  // namespace

TEST_CASE("quant_ops: the contract is checked when this file is compiled") { SUCCEED(); }
