// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What one attention call and its backward pass give for numbers made here, on any backend.
#pragma once

#include "battery/attention_cache.hpp"
#include "battery/device.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/attention_ops.cuh>

namespace attention_test {

using namespace dsr1;

template <class T>
struct results {
  std::vector<T> y, lse, dq, dk, dv, dsinks;
};

/// Rows of the same number have the same values in every call.
template <class T, class Ctx>
results<T> results_of(Ctx& ctx, const attention_extents& e, const sequence_layout& sequences,
                      index_t rows, bool backward) {
  ctx.workspace().reset();
  const index_t wide = e.heads * e.head_dim, result = e.heads * e.value_size();
  const index_t key = e.kv_heads * e.head_dim, value = e.kv_heads * e.value_size();
  using matrix = battery::device_matrix<Ctx, T>;
  const matrix q(ctx, rows, wide, battery::normals<T>(rows * wide, 1)),
      k(ctx, rows, key, battery::normals<T>(rows * key, 2)),
      v(ctx, rows, value, battery::normals<T>(rows * value, 3)),
      dy(ctx, rows, result, battery::normals<T>(rows * result, 4)), y(ctx, rows, result),
      lse(ctx, rows, e.heads), dq(ctx, rows, wide), dk(ctx, rows, key), dv(ctx, rows, value);
  const battery::device_vector<Ctx, T> sinks(ctx, battery::normals<T>(e.heads, 5)),
      dsinks(ctx, e.heads);
  const key_values<T> kv{k.in(), v.in(), 0};
  Ctx::backend::attention(ctx, e, q.in(), kv, sinks.in(), sequences, y.out(), lse.out());
  if (!backward) return {y.host(), lse.host(), {}, {}, {}, {}};
  Ctx::backend::attention_backward(ctx, e, q.in(), kv, sinks.in(), sequences, y.in(), lse.in(),
                                   dy.in(), dq.out(), dk.out(), dv.out(), dsinks.out(),
                                   accumulate::no);
  return {y.host(), lse.host(), dq.host(), dk.host(), dv.host(), dsinks.host()};
}

template <class T>
void check_close(const results<T>& a, const results<T>& b, const std::string& what) {
  const auto check = [&](const std::vector<T>& x, const std::vector<T>& y, const char* of) {
    battery::check_close(x, battery::doubles(y), what + of, 4);
  };
  check(a.y, b.y, ", y");
  check(a.lse, b.lse, ", lse");
  check(a.dq, b.dq, ", dq");
  check(a.dk, b.dk, ", dk");
  check(a.dv, b.dv, ", dv");
  check(a.dsinks, b.dsinks, ", dsinks");
}

}  // namespace attention_test
