// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// What every instruction set must do, lane by lane, against plain loops.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "battery/context.hpp"
#include "catch.hpp"
#include "cpu/guarded.hpp"
#include "cpu/isa_guard.hpp"

#include <dsr1/cpu/simd.hpp>

namespace dsr1::simd {

template <class Isa>
struct simd_probe;

#define DSR1_KERNELS "cpu/simd_probe.inc"
#include <dsr1/cpu/kernels/for_each_isa.inc>

}  // namespace dsr1::simd

namespace simd_suite {

using dsr1::index_t;

template <class T>
bool same_bits(T a, T b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}
/// Equal bits, or NaN on both sides (whose bits are the processor's business).
template <class T>
bool same_value(T a, T b) {
  return same_bits(a, b) || (std::isnan(a) && std::isnan(b));
}

/// Sixteen numbers of each kind that matters.
template <class T>
std::vector<std::vector<T>> samples() {
  constexpr T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  constexpr T tiny = std::numeric_limits<T>::denorm_min(), small = std::numeric_limits<T>::min(),
              big = std::numeric_limits<T>::max();
  std::vector<std::vector<T>> out = {
      {0, T(-0.0), 1, -1, inf, -inf, nan, tiny, -tiny, small, big, -big, T(0.5), T(3), T(-7),
       T(1e10)},
      {nan, nan, nan, nan, 1, 2, 3, 4, T(-0.0), 0, T(-0.0), 0, inf, inf, -inf, -inf},
      {1, 2, 3, 4, nan, nan, nan, nan, 0, T(-0.0), T(-0.0), 0, -inf, inf, inf, -inf}};
  for (std::uint64_t s = 0; s < 20; ++s)
    out.push_back(battery::normals<T>(16, 100 + s, s % 2 ? 1e6 : 1));
  return out;
}

template <class Isa>
void arithmetic() {
  using T = typename Isa::value;
  using probe = dsr1::simd::simd_probe<Isa>;
  const auto all = samples<T>();
  T to[16];
  auto each = [&](const char* name, auto expected) {
    INFO(name);
    bool equal = true;
    for (int i = 0; i < 16; ++i) equal = equal && same_value(to[i], expected(i));
    CHECK(equal);
  };
  for (const auto& a : all)
    for (const auto& b : all) {
      probe::add(a.data(), b.data(), to);
      each("add",
           [&](int i) { return a[static_cast<std::size_t>(i)] + b[static_cast<std::size_t>(i)]; });
      probe::sub(a.data(), b.data(), to);
      each("sub",
           [&](int i) { return a[static_cast<std::size_t>(i)] - b[static_cast<std::size_t>(i)]; });
      probe::mul(a.data(), b.data(), to);
      each("mul",
           [&](int i) { return a[static_cast<std::size_t>(i)] * b[static_cast<std::size_t>(i)]; });
      probe::div(a.data(), b.data(), to);
      each("div",
           [&](int i) { return a[static_cast<std::size_t>(i)] / b[static_cast<std::size_t>(i)]; });
      // The second wins only when it is truly smaller (larger): NaN in the first stays, NaN in the
      // second is passed over, and of two zeros the first is taken.
      probe::min(a.data(), b.data(), to);
      each("min", [&](int i) {
        const T x = a[static_cast<std::size_t>(i)], y = b[static_cast<std::size_t>(i)];
        return y < x ? y : x;
      });
      probe::max(a.data(), b.data(), to);
      each("max", [&](int i) {
        const T x = a[static_cast<std::size_t>(i)], y = b[static_cast<std::size_t>(i)];
        return y > x ? y : x;
      });
      probe::select_less(a.data(), b.data(), all[3].data(), all[4].data(), to);
      each("select", [&](int i) {
        return a[static_cast<std::size_t>(i)] < b[static_cast<std::size_t>(i)]
                   ? all[3][static_cast<std::size_t>(i)]
                   : all[4][static_cast<std::size_t>(i)];
      });
    }
  for (const auto& a : all) {
    probe::sqrt(a.data(), to);
    each("sqrt", [&](int i) { return std::sqrt(a[static_cast<std::size_t>(i)]); });
    probe::set(a[3], to);
    each("set", [&](int) { return a[3]; });
    probe::broadcast(&a[5], to);
    each("broadcast", [&](int) { return a[5]; });
  }
}

/// x y + z: rounded once by the vector sets, once or twice by the portable one.
template <class Isa>
void fused(bool always) {
  using T = typename Isa::value;
  const auto all = samples<T>();
  T to[16];
  for (std::size_t s = 3; s + 2 < all.size(); ++s) {
    dsr1::simd::simd_probe<Isa>::fma(all[s].data(), all[s + 1].data(), all[s + 2].data(), to);
    bool equal = true;
    for (std::size_t i = 0; i < 16; ++i) {
      const T x = all[s][i], y = all[s + 1][i], z = all[s + 2][i];
      const volatile T product = x * y;
      equal = equal && (to[i] == std::fma(x, y, z) || (!always && to[i] == product + z));
    }
    CHECK(equal);
  }
}

template <class Isa>
void reductions() {
  using T = typename Isa::value;
  using probe = dsr1::simd::simd_probe<Isa>;
  for (const auto& a : samples<T>()) {
    T tree[16];
    std::copy(a.begin(), a.end(), tree);
    for (int half = 8; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) tree[i] += tree[i + half];
    CHECK(same_value(probe::sum(a.data()), tree[0]));
    bool has_nan = false;
    for (const T x : a) has_nan = has_nan || std::isnan(x);
    if (!has_nan) CHECK(probe::largest(a.data()) == *std::max_element(a.begin(), a.end()));
  }
  for (std::size_t i = 0; i < 16; ++i) {
    std::vector<T> one(16, T(-2));
    one[i] = T(-1);
    CHECK(probe::largest(one.data()) == T(-1));
    CHECK(probe::sum(one.data()) == T(-31));
  }
}

/// load_some and store_some beside a page that may not be touched.
template <class Isa>
void partial() {
  using T = typename Isa::value;
  using probe = dsr1::simd::simd_probe<Isa>;
  const auto x = battery::normals<T>(16, 7);
  for (int n = 0; n <= 16; ++n) {
    const auto count = static_cast<std::size_t>(n);
    guarded<T> array(count), at_begin(count, true);
    for (std::size_t i = 0; i < count; ++i) array[i] = at_begin[i] = x[i];
    for (const T* from : {array.data(), at_begin.data()}) {
      T to[16];
      std::fill_n(to, 16, T(9));
      probe::load_some(from, n, to);
      for (std::size_t i = 0; i < 16; ++i) CHECK(same_bits(to[i], i < count ? x[i] : T(0)));
    }
    probe::store_some(x.data(), n, array.data());
    CHECK(array.vector() == std::vector<T>(x.begin(), x.begin() + n));
    std::vector<T> around(20, T(5));
    probe::store_some(x.data(), n, around.data() + 2);
    for (std::size_t i = 0; i < 20; ++i)
      CHECK(around[i] == (i >= 2 && i < 2 + count ? x[i - 2] : T(5)));
  }
}

template <class Isa>
void shuffles() {
  using T = typename Isa::value;
  using probe = dsr1::simd::simd_probe<Isa>;
  const guarded<T> from(battery::normals<T>(32, 8));
  T even[16], odd[16];
  probe::load_pairs(from.data(), even, odd);
  for (std::size_t i = 0; i < 16; ++i) {
    CHECK(even[i] == from[2 * i]);
    CHECK(odd[i] == from[2 * i + 1]);
  }
  guarded<T> back(32);
  probe::store_pairs(even, odd, back.data());
  CHECK(back.vector() == from.vector());
  for (const index_t from_stride : {8, 11, 64})
    for (const index_t to_stride : {8, 16, 13}) {
      const auto size = [](index_t stride) { return static_cast<std::size_t>(7 * stride + 8); };
      const guarded<T> block(battery::normals<T>(static_cast<index_t>(size(from_stride)), 9));
      guarded<T> turned(size(to_stride));
      std::fill_n(turned.data(), turned.size(), T(4));
      probe::transpose8(block.data(), from_stride, turned.data(), to_stride);
      for (index_t i = 0; i < 8; ++i)
        for (index_t j = 0;
             j < to_stride && i * to_stride + j < static_cast<index_t>(turned.size()); ++j)
          CHECK(turned[static_cast<std::size_t>(i * to_stride + j)] ==
                (j < 8 ? block[static_cast<std::size_t>(j * from_stride + i)] : T(4)));
    }
}

/// The largest relative error of exp over all floats of [low, high], `step` of them apart.
template <class Isa>
double worst_exp(float low, float high, std::uint32_t step) {
  using T = typename Isa::value;
  double worst = 0;
  float x = low;
  while (x <= high) {
    T in[16], out[16];
    for (T& lane : in) {
      lane = static_cast<T>(x);
      // To the next float: away from zero the bits of a negative number fall towards it.
      const auto bits = std::bit_cast<std::uint32_t>(x);
      x = x < 0 ? (bits - 0x80000000u > step ? std::bit_cast<float>(bits - step) : 0.0f)
                : std::bit_cast<float>(bits + step);
    }
    dsr1::simd::simd_probe<Isa>::exp(in, out);
    for (int i = 0; i < 16; ++i) {
      if (static_cast<double>(in[i]) > static_cast<double>(high)) continue;
      const double expected = std::exp(static_cast<double>(in[i]));
      worst = std::max(worst, std::abs(static_cast<double>(out[i]) - expected) / expected);
    }
  }
  return worst;
}

}  // namespace simd_suite
