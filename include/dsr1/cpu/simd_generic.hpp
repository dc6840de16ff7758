// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Sixteen lanes in portable C++: the twin of the vector instruction sets, for any number type.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include <dsr1/cpu/isa.hpp>
#include <dsr1/tensor/shape.hpp>

namespace dsr1::simd {

/// Sixteen lanes of T. All instruction sets have the same lanes and add them up in the same tree,
/// so a sum has the same order everywhere; only the rounding of fused products differs.
template <class T>
struct generic {
  using value = T;
  static constexpr int width = 16;
  static constexpr int tile_rows = 3;  // of a product's register tile
  static constexpr int tile_vectors = 1;

  typedef T native __attribute__((vector_size(16)));
  static constexpr int parts = width * sizeof(T) / 16;
  struct vec {
    native part[parts];
  };
  struct mask {
    bool lane[width];
  };

  static DSR1_INLINE vec load(const T* p) {
    vec r;
    std::memcpy(&r, p, sizeof r);
    return r;
  }
  static DSR1_INLINE vec load_some(const T* p, int n) {
    T lanes[width] = {};
    for (int i = 0; i < n; ++i) lanes[i] = p[i];
    return load(lanes);
  }
  static DSR1_INLINE void store(T* p, const vec& x) { std::memcpy(p, &x, sizeof x); }
  static DSR1_INLINE void store_some(T* p, const vec& x, int n) {
    T lanes[width];
    store(lanes, x);
    for (int i = 0; i < n; ++i) p[i] = lanes[i];
  }
  static DSR1_INLINE vec set(T x) {
    vec r;
#pragma GCC unroll 8
    for (int i = 0; i < parts; ++i) r.part[i] = native{} + x;
    return r;
  }
  static DSR1_INLINE vec broadcast(const T* p) { return set(*p); }

#define DSR1_LANEWISE(name, expression)                       \
  static DSR1_INLINE vec name(const vec& a, const vec& b) {   \
    vec r;                                                    \
    _Pragma("GCC unroll 8") for (int i = 0; i < parts; ++i) { \
      const native x = a.part[i], y = b.part[i];              \
      r.part[i] = (expression);                               \
    }                                                         \
    return r;                                                 \
  }
  DSR1_LANEWISE(add, x + y)
  DSR1_LANEWISE(sub, x - y)
  DSR1_LANEWISE(mul, x* y)
  DSR1_LANEWISE(div, x / y)
#undef DSR1_LANEWISE

  /// x * y + z; the compiler may or may not fuse it.
  static DSR1_INLINE vec fma(const vec& x, const vec& y, const vec& z) {
    vec r;
#pragma GCC unroll 8
    for (int i = 0; i < parts; ++i) r.part[i] = x.part[i] * y.part[i] + z.part[i];
    return r;
  }

  template <class F>
  static DSR1_INLINE vec map(const vec& a, const vec& b, F f) {
    T x[width], y[width];
    store(x, a);
    store(y, b);
    for (int i = 0; i < width; ++i) x[i] = f(x[i], y[i]);
    return load(x);
  }
  /// The smaller and the larger; when `a` is NaN the result is NaN.
  static DSR1_INLINE vec min(const vec& a, const vec& b) {
    return map(a, b, [](T x, T y) { return y < x ? y : x; });
  }
  static DSR1_INLINE vec max(const vec& a, const vec& b) {
    return map(a, b, [](T x, T y) { return y > x ? y : x; });
  }
  static DSR1_INLINE vec sqrt(const vec& a) {
    return map(a, a, [](T x, T) { return std::sqrt(x); });
  }
  static DSR1_INLINE vec exp(const vec& a) {
    return map(a, a, [](T x, T) { return std::exp(x); });
  }

  static DSR1_INLINE mask less(const vec& a, const vec& b) {
    T x[width], y[width];
    store(x, a);
    store(y, b);
    mask m;
    for (int i = 0; i < width; ++i) m.lane[i] = x[i] < y[i];
    return m;
  }
  static DSR1_INLINE vec select(const mask& m, const vec& yes, const vec& no) {
    T x[width], y[width];
    store(x, yes);
    store(y, no);
    for (int i = 0; i < width; ++i) x[i] = m.lane[i] ? x[i] : y[i];
    return load(x);
  }

  static DSR1_INLINE T sum(const vec& a) {
    T x[width];
    store(x, a);
    for (int half = width / 2; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) x[i] += x[i + half];
    return x[0];
  }
  static DSR1_INLINE T largest(const vec& a) {
    T x[width];
    store(x, a);
    return *std::max_element(x, x + width);
  }

  /// Splits 32 elements into those at even and those at odd places, and the reverse.
  static DSR1_INLINE void load_pairs(const T* p, vec& even, vec& odd) {
    T x[width], y[width];
    for (int i = 0; i < width; ++i) {
      x[i] = p[2 * i];
      y[i] = p[2 * i + 1];
    }
    even = load(x);
    odd = load(y);
  }
  static DSR1_INLINE void store_pairs(T* p, const vec& even, const vec& odd) {
    T x[width], y[width];
    store(x, even);
    store(y, odd);
    for (int i = 0; i < width; ++i) {
      p[2 * i] = x[i];
      p[2 * i + 1] = y[i];
    }
  }

  /// An 8 x 8 block, transposed: to[j * to_stride + i] = from[i * from_stride + j].
  static DSR1_INLINE void transpose8(const T* from, index_t from_stride, T* to, index_t to_stride) {
    for (int i = 0; i < 8; ++i)
      for (int j = 0; j < 8; ++j) to[j * to_stride + i] = from[i * from_stride + j];
  }
};

}  // namespace dsr1::simd
