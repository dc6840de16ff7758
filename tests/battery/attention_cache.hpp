// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The battery of attention from a cache, and of values that are columns of the keys.
#pragma once

#include <numeric>

#include "battery/attention_reference.hpp"
#include "battery/device.hpp"

namespace battery {

using dsr1::key_values;
using dsr1::sequence_layout;

/// A sequence cut into calls that use a cache gives the bits of one call, with rings that wrap.
template <class T, class Ctx>
void attention_cached(Ctx& ctx, attention_extents e, index_t ring, const std::vector<index_t>& cuts,
                      margin around) {
  ctx.workspace().reset();
  const index_t n = std::accumulate(cuts.begin(), cuts.end(), index_t{0}), slots = 3, slot = 1;
  const index_t wide = e.heads * e.head_dim, result = e.heads * e.value_size();
  const index_t key = e.kv_heads * e.head_dim, value = e.kv_heads * e.value_size();
  const auto q = normals<T>(n * wide, 1), k = normals<T>(n * key, 2), v = normals<T>(n * value, 3);
  const device_matrix<Ctx, T> dq(ctx, n, wide, q, around), dk(ctx, n, key, k, around),
      dv(ctx, n, value, v, around);
  const device_matrix<Ctx, T> whole(ctx, n, result), whole_lse(ctx, n, e.heads),
      parts(ctx, n, result, around), parts_lse(ctx, n, e.heads);
  const device_matrix<Ctx, T> keys(ctx, slots * ring, key, around),
      values(ctx, slots * ring, value, around);
  const device_vector<Ctx, T> sinks(ctx, normals<T>(e.heads, 5));
  Ctx::backend::attention(ctx, e, dq.in(), key_values<T>{dk.in(), dv.in(), 0}, sinks.in(),
                          sequence_layout(n), whole.out(), whole_lse.out());
  index_t position = 0;
  for (const index_t c : cuts) {
    const sequence one{.begin = 0, .length = c, .position = position, .slot = slot};
    const sequence_layout layout({&one, 1});
    Ctx::backend::store_cache(ctx, dk.in().slice_rows(position, c), layout, ring, keys.out());
    Ctx::backend::store_cache(ctx, dv.in().slice_rows(position, c), layout, ring, values.out());
    Ctx::backend::attention(ctx, e, dq.in().slice_rows(position, c),
                            key_values<T>{keys.in(), values.in(), ring}, sinks.in(), layout,
                            parts.out().slice_rows(position, c),
                            parts_lse.out().slice_rows(position, c));
    position += c;
  }
  const std::string what = dsr1::text("cached attention, window ", e.window, " ring ", ring,
                                      ", values of ", e.value_size());
  check_same(parts.host(), whole.host(), what);
  check_same(parts_lse.host(), whole_lse.host(), what + ", lse");
  const auto cached = keys.host();  // the last positions, each in its row; other slots untouched
  for (index_t p = std::max<index_t>(0, n - ring); p < n; ++p)
    for (index_t c = 0; c < key; ++c)
      REQUIRE(cached[at((slot * ring + p % ring) * key + c)] == k[at(p * key + c)]);
  for (index_t i = 0; i < ring * key; ++i) REQUIRE(cached[at(i)] == T(-77));
  for (index_t i = 2 * ring * key; i < 3 * ring * key; ++i) REQUIRE(cached[at(i)] == T(-77));
}

template <class T, class Ctx>
void attention_cached(Ctx& ctx) {
  struct setting {
    index_t window, ring;
    std::vector<index_t> cuts;
  };
  for (const setting& s : {setting{0, 160, {1, 1, 30, 32, 1, 5, 80}},
                           setting{5, 32, {1, 20, 28, 1, 1, 28, 27, 28, 16}},
                           setting{40, 96, {57, 1, 1, 30, 50, 2, 57, 52}},
                           setting{1, 32, {32, 32, 32, 4}}, setting{200, 128, {99, 1}}})
    for (const margin around : margins) {
      const auto with = [&](index_t heads, index_t kv_heads, index_t value_dim) {
        attention_cached<T>(ctx,
                            {.heads = heads,
                             .kv_heads = kv_heads,
                             .head_dim = 10,
                             .value_dim = value_dim,
                             .window = s.window,
                             .scale = 0.3},
                            s.ring, s.cuts, around);
      };
      with(4, 2, 0);
      with(4, 2, 3);
      with(4, 4, 19);
      with(37, 1, 8);  // more heads than one task takes, and single queries between
    }
}

/// Values that are the first columns of the keys, in the rows of the call and in a cache.
template <class T, class Ctx>
void attention_of_one_tensor(Ctx& ctx) {
  for (const index_t value_dim : {1, 8, 11})
    for (const margin around : margins) {
      ctx.workspace().reset();
      const attention_extents e{
          .heads = 18, .kv_heads = 1, .head_dim = 11, .value_dim = value_dim, .scale = 0.3};
      const index_t n = 75, ring = 96, wide = 18 * 11, result = 18 * value_dim;
      const auto q = normals<T>(n * wide, 1), k = normals<T>(n * 11, 2),
                 dy = normals<T>(n * result, 3);
      const device_matrix<Ctx, T> dq(ctx, n, wide, q, around), joint(ctx, n, 11, k, around),
          upstream(ctx, n, result, dy, around), y(ctx, n, result, around), lse(ctx, n, 18),
          last(ctx, 1, result), last_lse(ctx, 1, 18), gq(ctx, n, wide), gk(ctx, n, 11, around),
          gv(ctx, n, value_dim);
      const device_matrix<Ctx, T> cache(ctx, ring, 11, std::vector<T>(at(ring * 11)), around);
      const view<const T, 1> none;
      const key_values<T> kv{joint.in(), joint.in().slice_columns(0, value_dim), 0};
      Ctx::backend::attention(ctx, e, dq.in(), kv, none, sequence_layout(n), y.out(), lse.out());
      Ctx::backend::attention_backward(ctx, e, dq.in(), kv, none, sequence_layout(n), y.in(),
                                       lse.in(), upstream.in(), gq.out(), gk.out(), gv.out(),
                                       view<T, 1>(), accumulate::no);
      std::vector<double> v;
      for (index_t t = 0; t < n; ++t)
        for (index_t c = 0; c < value_dim; ++c) v.push_back(static_cast<double>(k[at(t * 11 + c)]));
      attention_reference r{e, packed({n}), doubles(q), doubles(k), v, {}, {}, {}, {}, {}, {}, {}};
      r.forward();
      r.backward(doubles(dy));
      const std::string what = dsr1::text("one tensor, values of ", value_dim);
      check_close(y.host(), r.y, what + ", y");
      check_close(gq.host(), r.dq, what + ", dq");
      check_close(gk.host(), r.dk, what + ", dk");
      check_close(gv.host(), r.dv, what + ", dv");
      Ctx::backend::store_cache(ctx, joint.in(), sequence_layout(n), ring, cache.out());
      const sequence one{.begin = 0, .length = 1, .position = n - 1};
      Ctx::backend::attention(
          ctx, e, dq.in().slice_rows(n - 1, 1),
          key_values<T>{cache.in(), cache.in().slice_columns(0, value_dim), ring}, none,
          sequence_layout({&one, 1}), last.out(), last_lse.out());
      const auto all = y.host();
      check_same(last.host(), std::vector<T>(all.end() - result, all.end()), what + ", cached");
    }
}

}  // namespace battery
