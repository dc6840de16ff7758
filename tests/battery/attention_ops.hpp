// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The battery of rotation, caches and attention; see backend/attention_ops.hpp.
#pragma once

#include "battery/attention_reference.hpp"
#include "battery/device.hpp"

namespace battery {

using dsr1::key_values;
using dsr1::rope_layout;
using dsr1::sequence_layout;

struct attention_case {
  attention_extents e;
  std::vector<index_t> lengths;
  bool sinks;
};

inline std::vector<attention_case> attention_cases() {
  std::vector<attention_case> out;
  for (const index_t window : {0, 1, 5, 32, 33, 64, 1000}) {
    out.push_back({{.heads = 2, .kv_heads = 1, .head_dim = 6, .window = window, .scale = 0.4},
                   {97, 1, 0, 70},
                   window % 2 == 0});
    out.push_back({{.heads = 1, .kv_heads = 1, .head_dim = 16, .window = window, .scale = 0.25},
                   {130},
                   window % 2 == 1});
  }
  out.push_back({{.heads = 3, .kv_heads = 3, .head_dim = 1, .window = 0, .scale = 1}, {1}, false});
  out.push_back({{.heads = 6, .kv_heads = 2, .head_dim = 33, .window = 10, .scale = 0.2},
                 {31, 32, 33},
                 true});
  out.push_back(
      {{.heads = 4, .kv_heads = 1, .head_dim = 64, .window = 0, .scale = 0.125}, {65}, true});
  out.push_back(
      {{.heads = 2, .kv_heads = 2, .head_dim = 8, .window = 0, .scale = 0.3}, {0, 0}, true});
  out.push_back({{.heads = 2, .kv_heads = 2, .head_dim = 8, .window = 3, .scale = 0.3}, {}, false});
  // Heads of v smaller and larger than those of q and k; more heads than one task takes.
  for (const index_t window : {0, 7})
    for (const index_t value_dim : {1, 5, 16, 40}) {
      out.push_back({{.heads = 4,
                      .kv_heads = 2,
                      .head_dim = 12,
                      .value_dim = value_dim,
                      .window = window,
                      .scale = 0.3},
                     {66, 1, 0, 35},
                     value_dim % 2 == 0});
      out.push_back({{.heads = 35,
                      .kv_heads = 1,
                      .head_dim = 9,
                      .value_dim = value_dim,
                      .window = window,
                      .scale = 0.3},
                     {1, 65, 3},
                     value_dim % 2 == 1});
    }
  return out;
}

template <class T, class Ctx>
void attention(Ctx& ctx) {
  for (const attention_case& one : attention_cases())
    for (const margin around : margins)
      for (const accumulate add : {accumulate::no, accumulate::yes}) {
        ctx.workspace().reset();
        const attention_extents& e = one.e;
        const auto parts = packed(one.lengths);
        const index_t n = parts.empty() ? 0 : parts.back().begin + parts.back().length;
        const index_t wide = e.heads * e.head_dim, narrow = e.kv_heads * e.head_dim;
        const index_t result = e.heads * e.value_size(), value = e.kv_heads * e.value_size();
        const auto q = normals<T>(n * wide, 1), k = normals<T>(n * narrow, 2),
                   v = normals<T>(n * value, 3);
        const auto dy = normals<T>(n * result, 4), s = normals<T>(one.sinks ? e.heads : 0, 5),
                   start = normals<T>(e.heads, 6);
        const device_matrix<Ctx, T> dq(ctx, n, wide, q, around), dk(ctx, n, narrow, k, around),
            dv(ctx, n, value, v, around);
        const device_matrix<Ctx, T> out(ctx, n, result, around), lse(ctx, n, e.heads, around),
            upstream(ctx, n, result, dy, around);
        const device_matrix<Ctx, T> gq(ctx, n, wide, around), gk(ctx, n, narrow, around),
            gv(ctx, n, value, around);
        const device_vector<Ctx, T> sinks(ctx, s), gs(ctx, start);
        const view<const T, 1> sink = one.sinks ? sinks.in() : view<const T, 1>();
        const sequence_layout layout(parts);
        const key_values<T> kv{dk.in(), dv.in(), 0};
        Ctx::backend::attention(ctx, e, dq.in(), kv, sink, layout, out.out(), lse.out());
        Ctx::backend::attention_backward(ctx, e, dq.in(), kv, sink, layout, out.in(), lse.in(),
                                         upstream.in(), gq.out(), gk.out(), gv.out(), gs.out(),
                                         add);
        attention_reference r{e,  parts, doubles(q), doubles(k), doubles(v), doubles(s),
                              {}, {},    {},         {},         {},         {}};
        r.forward();
        r.backward(doubles(dy));
        const std::string what =
            dsr1::text("attention, ", n, " rows, ", e.heads, "/", e.kv_heads, " heads of ",
                       e.head_dim, ", values of ", e.value_size(), ", window ", e.window);
        check_close(out.host(), r.y, what + ", y");
        check_close(lse.host(), r.lse, what + ", lse");
        check_close(gq.host(), r.dq, what + ", dq");
        check_close(gk.host(), r.dk, what + ", dk");
        check_close(gv.host(), r.dv, what + ", dv");
        std::vector<double> expected = doubles(start);  // untouched without sinks
        for (std::size_t h = 0; h < r.dsinks.size(); ++h)
          expected[h] = r.dsinks[h] + (add == accumulate::yes ? expected[h] : 0);
        check_close(gs.host(), expected, what + ", dsinks", 5);
      }
}

/// Scores far beyond what an exponential takes: the softmax must not overflow.
template <class T, class Ctx>
void attention_extremes(Ctx& ctx) {
  ctx.workspace().reset();
  const attention_extents e{.heads = 1, .kv_heads = 1, .head_dim = 4, .scale = 1};
  const index_t n = 70;
  auto q = normals<T>(n * 4, 1, 100), k = normals<T>(n * 4, 2, 100), v = normals<T>(n * 4, 3);
  const device_matrix<Ctx, T> dq(ctx, n, 4, q), dk(ctx, n, 4, k), dv(ctx, n, 4, v), out(ctx, n, 4),
      lse(ctx, n, 1);
  Ctx::backend::attention(ctx, e, dq.in(), key_values<T>{dk.in(), dv.in(), 0}, view<const T, 1>(),
                          sequence_layout(n), out.out(), lse.out());
  const auto y = out.host(), l = lse.host();
  for (index_t i = 0; i < n; ++i) {
    double best = -1e300, wanted = 0;
    for (index_t j = 0; j <= i; ++j) {
      double score = 0;
      for (index_t c = 0; c < 4; ++c)
        score += static_cast<double>(q[at(i * 4 + c)]) * static_cast<double>(k[at(j * 4 + c)]);
      if (score > best) best = score, wanted = static_cast<double>(v[at(j * 4)]);
    }
    REQUIRE(std::isfinite(y[at(i * 4)]));
    REQUIRE(static_cast<double>(l[at(i)]) == Approx(best).epsilon(1e-4).margin(1));
    if (i == 0) REQUIRE(static_cast<double>(y[at(i * 4)]) == Approx(wanted));
  }
}

template <class T, class Ctx>
void rotate(Ctx& ctx) {
  for (const index_t head_dim : {2, 6, 16, 34, 64, 70})
    for (const rope_layout layout : {rope_layout::half_split, rope_layout::interleaved})
      for (const margin around : margins) {
        ctx.workspace().reset();
        const index_t heads = 3, half = head_dim / 2, n = 45, table = 60;
        const std::vector<sequence> parts = {{.begin = 0, .length = 20, .position = 40},
                                             {.begin = 20, .length = 0},
                                             {.begin = 20, .length = 25, .position = 3}};
        const auto x = normals<T>(n * heads * head_dim, 1), cosine = normals<T>(table * half, 2),
                   sine = normals<T>(table * half, 3);
        const device_matrix<Ctx, T> forward(ctx, n, heads * head_dim, x, around),
            inverse(ctx, n, heads * head_dim, x, around);
        const device_matrix<Ctx, T> c(ctx, table, half, cosine), s(ctx, table, half, sine);
        Ctx::backend::rotate(ctx, forward.out(), head_dim, layout, c.in(), s.in(),
                             sequence_layout(parts), false);
        Ctx::backend::rotate(ctx, inverse.out(), head_dim, layout, c.in(), s.in(),
                             sequence_layout(parts), true);
        std::vector<double> expected = doubles(x), back = expected;
        for (const sequence& part : parts)
          for (index_t t = 0; t < part.length; ++t)
            for (index_t h = 0; h < heads; ++h)
              for (index_t i = 0; i < half; ++i) {
                const bool split = layout == rope_layout::half_split;
                const std::size_t base = at((part.begin + t) * heads * head_dim + h * head_dim);
                const std::size_t first = base + at(split ? i : 2 * i),
                                  second = base + at(split ? i + half : 2 * i + 1);
                const double a = static_cast<double>(x[first]), b = static_cast<double>(x[second]);
                const double co = static_cast<double>(cosine[at((part.position + t) * half + i)]);
                const double si = static_cast<double>(sine[at((part.position + t) * half + i)]);
                expected[first] = a * co - b * si;
                expected[second] = b * co + a * si;
                back[first] = a * co + b * si;
                back[second] = b * co - a * si;
              }
        const std::string what =
            dsr1::text("rotate, heads of ", head_dim,
                       layout == rope_layout::half_split ? ", halves" : ", pairs");
        check_close(forward.host(), expected, what);
        check_close(inverse.host(), back, what + ", inverse");
      }
}

template <class T, class Ctx>
void attention_errors(Ctx& ctx) {
  using backend = typename Ctx::backend;
  ctx.workspace().reset();
  const device_matrix<Ctx, T> q(ctx, 5, 8), kv(ctx, 5, 4), wrong(ctx, 5, 6), y(ctx, 5, 8),
      lse(ctx, 5, 4), cache(ctx, 64, 4), table(ctx, 4, 1);
  const device_vector<Ctx, T> sinks(ctx, 4), three(ctx, 3);
  const attention_extents e{.heads = 4, .kv_heads = 2, .head_dim = 2};
  const sequence_layout whole(5), short_layout(4);
  const key_values<T> good{kv.in(), kv.in(), 0};
  const view<const T, 1> none;
  auto forward = [&](const attention_extents& extents, view<const T, 2> query,
                     const key_values<T>& keys, view<const T, 1> sink,
                     const sequence_layout& layout, view<T, 2> out, view<T, 2> l) {
    return message_of([&] { backend::attention(ctx, extents, query, keys, sink, layout, out, l); });
  };
  backend::attention(ctx, e, q.in(), good, none, whole, y.out(), lse.out());
  CHECK(mentions(forward({.heads = 4, .kv_heads = 3, .head_dim = 2}, q.in(), good, none, whole,
                         y.out(), lse.out()),
                 "4 heads", "3 key-value heads"));
  CHECK(mentions(forward({.heads = 4, .kv_heads = 0, .head_dim = 2}, q.in(), good, none, whole,
                         y.out(), lse.out()),
                 "0 key-value heads"));
  CHECK(mentions(forward(e, wrong.in(), good, none, whole, y.out(), lse.out()), "[5, 6]",
                 "4 and 2 heads of 2"));
  CHECK(mentions(forward(e, q.in(), {wrong.in(), wrong.in(), 0}, none, whole, y.out(), lse.out()),
                 "k [5, 6]", "v [5, 6]"));
  CHECK(mentions(forward(e, q.in(), {kv.in(), wrong.in(), 0}, none, whole, y.out(), lse.out()),
                 "v [5, 6]"));
  attention_extents values = e;
  values.value_dim = 3;
  CHECK(mentions(forward(values, q.in(), good, none, whole, y.out(), lse.out()), "v [5, 4]",
                 "values of 3"));
  CHECK(mentions(forward(values, q.in(), {kv.in(), wrong.in(), 0}, none, whole, y.out(), lse.out()),
                 "y [5, 8]", "4 heads", "values of 3"));
  CHECK(mentions(forward(e, q.in(), {kv.in(), cache.in(), 0}, none, whole, y.out(), lse.out()),
                 "v [64, 4]"));
  values.value_dim = -1;
  CHECK(mentions(forward(values, q.in(), good, none, whole, y.out(), lse.out()), "value_dim of -1",
                 "expected 0"));
  CHECK(mentions(forward(e, q.in(), {cache.in(), cache.in(), 33}, none, whole, y.out(), lse.out()),
                 "ring of 33", "multiple of"));
  CHECK(mentions(forward(e, q.in(), good, three.in(), whole, y.out(), lse.out()), "3 sinks",
                 "4 heads"));
  CHECK(
      mentions(forward(e, q.in(), good, none, whole, wrong.out(), lse.out()), "[5, 6]", "[5, 8]"));
  CHECK(mentions(forward(e, q.in(), good, none, whole, y.out(), wrong.out()), "[5, 6]"));
  CHECK(mentions(forward(e, q.in(), good, none, short_layout, y.out(), lse.out()), "cover 4 rows",
                 "has 5"));
  const sequence far{.begin = 0, .length = 5, .position = 0, .slot = 2};
  CHECK(mentions(forward(e, q.in(), {cache.in(), cache.in(), 32}, none, sequence_layout({&far, 1}),
                         y.out(), lse.out()),
                 "slot 2", "2 slots"));
  const sequence late{.begin = 0, .length = 5, .position = 30};
  const key_values<T> ring{cache.in(), cache.in(), 32};
  CHECK(mentions(forward(e, q.in(), ring, none, sequence_layout({&late, 1}), y.out(), lse.out()),
                 "needs 35 positions", "has 32"));
  const attention_extents wide{.heads = 4, .kv_heads = 2, .head_dim = 2, .window = 29};
  CHECK(mentions(forward(wide, q.in(), ring, none, sequence_layout({&late, 1}), y.out(), lse.out()),
                 "needs 33 positions", "has 32"));
  CHECK(mentions(message_of([&] {
                   backend::attention_backward(ctx, e, q.in(), {cache.in(), cache.in(), 32}, none,
                                               whole, y.in(), lse.in(), y.in(), y.out(), kv.out(),
                                               kv.out(), view<T, 1>(), accumulate::no);
                 }),
                 "cache", "train without"));
  CHECK(mentions(message_of([&] {
                   backend::attention_backward(ctx, e, q.in(), good, none, whole, y.in(), lse.in(),
                                               y.in(), wrong.out(), kv.out(), kv.out(),
                                               view<T, 1>(), accumulate::no);
                 }),
                 "[5, 6]", "[5, 8]"));
  CHECK(mentions(message_of([&] {
                   backend::attention_backward(ctx, e, q.in(), good, none, whole, y.in(), lse.in(),
                                               y.in(), y.out(), kv.out(), wrong.out(), view<T, 1>(),
                                               accumulate::no);
                 }),
                 "dk [5, 4]", "dv [5, 6]"));
  CHECK(mentions(message_of([&] {
                   backend::store_cache(ctx, kv.in(), sequence_layout({&far, 1}), 32, cache.out());
                 }),
                 "slot 2", "2 slots"));
  CHECK(mentions(message_of([&] { backend::store_cache(ctx, wrong.in(), whole, 32, cache.out()); }),
                 "[5, 6]", "[64, 4]"));
  CHECK(mentions(message_of([&] { backend::store_cache(ctx, kv.in(), whole, 0, cache.out()); }),
                 "ring of 0"));
  CHECK(mentions(message_of([&] { backend::store_cache(ctx, kv.in(), whole, 4, cache.out()); }),
                 "sequence 0", "5 rows", "ring of 4"));
  CHECK(mentions(
      message_of([&] { backend::store_cache(ctx, kv.in(), short_layout, 32, cache.out()); }),
      "cover 4 rows"));
  CHECK(mentions(message_of([&] {
                   backend::rotate(ctx, y.out(), 2, rope_layout::half_split, table.in(), table.in(),
                                   whole, false);
                 }),
                 "position 4 of row 4", "4 positions"));
  CHECK(mentions(message_of([&] {
                   backend::rotate(ctx, y.out(), 3, rope_layout::half_split, table.in(), table.in(),
                                   short_layout, false);
                 }),
                 "heads of 3"));
  CHECK(mentions(message_of([&] {
                   backend::rotate(ctx, y.out(), 4, rope_layout::half_split, table.in(), table.in(),
                                   short_layout, false);
                 }),
                 "[4, 1]", "heads of 4"));
  // What is refused leaves no trace of the rows before.
  const device_matrix<Ctx, T> ones(ctx, 4, 2, std::vector<T>(8, T(1))),
      two(ctx, 4, 1, std::vector<T>(4, T(2))), untouched(ctx, 64, 2, std::vector<T>(128, T(3)));
  const dsr1::sequence parts[] = {{.begin = 0, .length = 2},
                                  {.begin = 2, .length = 2, .position = 3, .slot = 2}};
  CHECK(mentions(message_of([&] {
                   backend::rotate(ctx, ones.out(), 2, rope_layout::half_split, two.in(), two.in(),
                                   sequence_layout(parts), false);
                 }),
                 "position 4 of row 3", "4 positions"));
  check_same(ones.host(), std::vector<T>(8, T(1)), "refused by rotate");
  CHECK(mentions(message_of([&] {
                   backend::store_cache(ctx, ones.in(), sequence_layout(parts), 32,
                                        untouched.out());
                 }),
                 "slot 2", "2 slots"));
  check_same(untouched.host(), std::vector<T>(128, T(3)), "refused by store_cache");
}

}  // namespace battery
