// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The contract of products: each operation is asked for.

#include "backend/fake_backend.hpp"
#include "catch.hpp"

#include <dsr1/backend/linear_ops.hpp>

using namespace dsr1;

namespace {

/// All operations of the group, with any arguments.
struct complete : fake_backend {
  template <class... A>
  static void matmul(A&&...) {}
  template <class... A>
  static void column_sum(A&&...) {}
  template <class... A>
  static void m_grouped_matmul(A&&...) {}
  template <class... A>
  static void k_grouped_matmul(A&&...) {}
  template <class... A>
  static void grouped_column_sum(A&&...) {}
};

// A name of a derived struct hides the operation of that name.
struct without_matmul : complete {
  static void matmul() {}
};
struct without_column_sum : complete {
  static void column_sum() {}
};
struct without_m_grouped_matmul : complete {
  static void m_grouped_matmul() {}
};
struct without_k_grouped_matmul : complete {
  static void k_grouped_matmul() {}
};
struct without_grouped_column_sum : complete {
  static void grouped_column_sum() {}
};

template <class Backend>
constexpr bool fits = linear_ops<context<Backend>, float> && linear_ops<context<Backend>, double>;

static_assert(fits<complete>);
static_assert(!fits<fake_backend>);
static_assert(!fits<without_matmul>);
static_assert(!fits<without_column_sum>);
static_assert(!fits<without_m_grouped_matmul>);
static_assert(!fits<without_k_grouped_matmul>);
static_assert(!fits<without_grouped_column_sum>);

/// Only `float`: a backend may leave `double` out, and a layer of `double` then says so.
struct only_float : complete {
  template <class Ctx>
  static void matmul(Ctx&, matrix<const float>, matrix<const float>, view<float, 2>, accumulate,
                     view<const float, 1>) {}
};
static_assert(linear_ops<context<only_float>, float>);
static_assert(!linear_ops<context<only_float>, double>);

}  // namespace

TEST_CASE("linear_ops: the contract is checked when this file is compiled") { SUCCEED(); }
