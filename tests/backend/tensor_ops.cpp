// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The contract of whole tensors: each operation is asked for.

#include "backend/fake_backend.hpp"
#include "catch.hpp"

#include <dsr1/backend/tensor_ops.hpp>

using namespace dsr1;

namespace {

/// All operations of the group, with any arguments.
struct complete : fake_backend {
  template <class... A>
  static void fill(A&&...) {}
  template <class... A>
  static void fill_normal(A&&...) {}
  template <class... A>
  static void copy(A&&...) {}
  template <class... A>
  static void add(A&&...) {}
  template <class... A>
  static void scale(A&&...) {}
  template <class... A>
  static double dot(A&&...) {
    return 0;
  }
  template <class... A>
  static void upload(A&&...) {}
  template <class... A>
  static void download(A&&...) {}
};

// A name of a derived struct hides the operation of that name.
struct without_fill : complete {
  static void fill() {}
};
struct without_fill_normal : complete {
  static void fill_normal() {}
};
struct without_copy : complete {
  static void copy() {}
};
struct without_add : complete {
  static void add() {}
};
struct without_scale : complete {
  static void scale() {}
};
struct without_dot : complete {
  static void dot() {}
};
struct without_upload : complete {
  static void upload() {}
};
struct without_download : complete {
  static void download() {}
};

template <class Backend>
constexpr bool fits = tensor_ops<context<Backend>, float> && tensor_ops<context<Backend>, double>;

static_assert(fits<complete>);
static_assert(!fits<fake_backend>);
static_assert(!fits<without_fill>);
static_assert(!fits<without_fill_normal>);
static_assert(!fits<without_copy>);
static_assert(!fits<without_add>);
static_assert(!fits<without_scale>);
static_assert(!fits<without_dot>);
static_assert(!fits<without_upload>);
static_assert(!fits<without_download>);

struct dot_of_float : complete {
  template <class... A>
  static float dot(A&&...) {
    return 0;
  }
};
static_assert(!fits<dot_of_float>, "a dot product is a double on the host, on every device");

struct counting : complete {
  static inline int fills = 0;
  template <class... A>
  static void fill(A&&...) {
    ++fills;
  }
};

template <class Ctx>
  requires tensor_ops<Ctx, float>
void clear(Ctx& ctx, view<float, 1> x) {
  Ctx::backend::fill(ctx, x, 0.0f);
}

}  // namespace

TEST_CASE("tensor_ops: one operation is replaced by deriving") {
  static_assert(fits<counting>);
  context<counting> ctx;
  clear(ctx, view<float, 1>());
  CHECK(counting::fills == 1);
}
