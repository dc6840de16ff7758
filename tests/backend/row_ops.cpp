// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The contract of moved rows: each operation is asked for.

#include "backend/fake_backend.hpp"
#include "catch.hpp"

#include <dsr1/backend/row_ops.hpp>

using namespace dsr1;

namespace {

/// All operations of the group, with any arguments.
struct complete : fake_backend {
  template <class... A>
  static void gather_rows(A&&...) {}
  template <class... A>
  static void scatter_add_rows(A&&...) {}
  template <class... A>
  static void combine_rows(A&&...) {}
  template <class... A>
  static void combine_rows_backward(A&&...) {}
};

// A name of a derived struct hides the operation of that name.
struct without_gather_rows : complete {
  static void gather_rows() {}
};
struct without_scatter_add_rows : complete {
  static void scatter_add_rows() {}
};
struct without_combine_rows : complete {
  static void combine_rows() {}
};
struct without_combine_rows_backward : complete {
  static void combine_rows_backward() {}
};

template <class Backend>
constexpr bool fits = row_ops<context<Backend>, float> && row_ops<context<Backend>, double>;

static_assert(fits<complete>);
static_assert(!fits<fake_backend>);
static_assert(!fits<without_gather_rows>);
static_assert(!fits<without_scatter_add_rows>);
static_assert(!fits<without_combine_rows>);
static_assert(!fits<without_combine_rows_backward>);

}  // namespace

TEST_CASE("row_ops: the contract is checked when this file is compiled") { SUCCEED(); }
