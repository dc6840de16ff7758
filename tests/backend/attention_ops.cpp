// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The contract of attention: each operation is asked for; the sizes that belong to it.

#include "backend/fake_backend.hpp"
#include "catch.hpp"

#include <dsr1/backend/attention_ops.hpp>

using namespace dsr1;

namespace {

/// All operations of the group, with any arguments.
struct complete : fake_backend {
  template <class... A>
  static void rotate(A&&...) {}
  template <class... A>
  static void store_cache(A&&...) {}
  template <class... A>
  static void attention(A&&...) {}
  template <class... A>
  static void attention_backward(A&&...) {}
};

// A name of a derived struct hides the operation of that name.
struct without_rotate : complete {
  static void rotate() {}
};
struct without_store_cache : complete {
  static void store_cache() {}
};
struct without_attention : complete {
  static void attention() {}
};
struct without_attention_backward : complete {
  static void attention_backward() {}
};

template <class Backend>
constexpr bool fits =
    attention_ops<context<Backend>, float> && attention_ops<context<Backend>, double>;

static_assert(fits<complete>);
static_assert(!fits<fake_backend>);
static_assert(!fits<without_rotate>);
static_assert(!fits<without_store_cache>);
static_assert(!fits<without_attention>);
static_assert(!fits<without_attention_backward>);

}  // namespace

TEST_CASE("attention_ops: by default no window, a scale of one, keys in the rows of the call") {
  constexpr attention_extents e;
  static_assert(e.window == 0 && e.scale == 1 && e.heads == 0);
  CHECK(key_values<float>{}.ring == 0);
  static_assert(attention_extents{.head_dim = 6}.value_size() == 6);
  static_assert(attention_extents{.head_dim = 6, .value_dim = 4}.value_size() == 4);
  static_assert(attention_block > 0 && (attention_block & (attention_block - 1)) == 0,
                "blocks are aligned by position");
}
