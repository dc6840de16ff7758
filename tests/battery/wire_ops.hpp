// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The battery of numbers on the wire: an oracle written from docs/wire_format.md, byte by byte.
#pragma once

#include <cmath>
#include <limits>

#include "battery/device.hpp"

#include <dsr1/backend/wire_ops.hpp>

namespace battery {

using dsr1::wire_code;
using dsr1::wire_format;

struct wire_result {
  std::vector<std::byte> bytes;
  std::vector<double> decoded;  ///< of every number; NaN in a block that is marked
};

/// What an E4M3 code stands for: sign, four bits of exponent with bias 7, three of mantissa.
inline double e4m3(int code) {
  const int exponent = code >> 3 & 15, mantissa = code & 7;
  const double m =
      exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
  return code & 0x80 ? -m : m;
}

/// The code nearest to q, ties to the even one; or one of its two neighbours, by `u` in [0, 1).
inline int e4m3_code(double q, bool stochastic, double u, int random) {
  const double m = std::min(std::abs(q), 448.0);
  int below = 0;
  while (below < 0x7e && e4m3(below + 1) <= m) ++below;
  const double low = e4m3(below), gap = e4m3(std::min(below + 1, 0x7e)) - low;
  int code = below;
  if (gap > 0 && m > low) {
    const double part = (m - low) / gap;
    if (!stochastic)
      code += part > 0.5 || (part == 0.5 && below % 2 == 1);
    else if (m < 0x1p-6)
      code += part + u >= 1;
    else  // in units of the last bit of the float
      code += part * 0x1p20 + (random << 4) + 8 >= 0x1p20;
  }
  return code | (std::signbit(q) ? 0x80 : 0);
}

/// The bytes of one row.
inline wire_result wire_oracle(const wire_format& f, const std::vector<float>& v,
                               const dsr1::random_stream& random, std::uint64_t first) {
  const auto n = static_cast<index_t>(v.size()), blocks = dsr1::ceil_div(n, f.block);
  wire_result out;
  std::vector<std::byte> codes;
  const auto put = [](std::vector<std::byte>& to, std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) to.push_back(static_cast<std::byte>(value >> 8 * i & 255));
  };
  for (index_t b = 0; b < blocks; ++b) {
    float largest = 0;
    bool finite = true;
    for (index_t i = b * f.block; i < std::min(n, (b + 1) * f.block); ++i) {
      finite = finite && std::abs(v[at(i)]) < 0x1p127f;
      largest = std::max(largest, std::abs(v[at(i)]));
    }
    const float top = f.code == wire_code::fp8 ? 448 : f.code == wire_code::int8 ? 127 : 7;
    const bool zero = finite && largest < 0x1p-100f;
    const volatile float scale = largest / top, inverse = top / largest;
    if (f.scaled())
      put(out.bytes,
          !finite ? 0x7fc00000u
          : zero  ? 0
                  : std::bit_cast<std::uint32_t>(float{scale}),
          4);
    for (index_t i = b * f.block; i < std::min(n, (b + 1) * f.block); ++i) {
      const index_t e = i - b * f.block;
      const std::uint64_t draw =
          first + static_cast<std::uint64_t>(b * dsr1::ceil_div(f.block, 128) + e / 128);
      const auto words = dsr1::philox::at(
          random.key(), 16 * draw + static_cast<std::uint64_t>(e % 16), random.stream());
      const std::uint32_t word = words.word[e / 16 % 4];
      const int sixteen = static_cast<int>(e % 128 < 64 ? word & 0xffff : word >> 16);
      const double u = (sixteen + 0.5) / 65536;
      const std::uint32_t bits = std::bit_cast<std::uint32_t>(v[at(i)]);
      double decoded = 0;
      if (f.code == wire_code::f32) {
        put(codes, bits, 4);
        decoded = static_cast<double>(v[at(i)]);
      } else if (f.code == wire_code::bf16) {
        std::uint32_t c = (bits + (f.stochastic ? static_cast<std::uint32_t>(sixteen)
                                                : 0x7fff + (bits >> 16 & 1))) >>
                          16;
        if (std::isnan(v[at(i)])) c = bits >> 16 | 0x40;
        put(codes, c, 2);
        decoded = static_cast<double>(std::bit_cast<float>(c << 16));
      } else {
        const volatile float q = finite && !zero ? v[at(i)] * inverse : 0;
        int c = 0;
        if (finite && !zero) {
          if (f.code == wire_code::fp8) {
            c = e4m3_code(static_cast<double>(q), f.stochastic, u, sixteen);
            decoded = e4m3(c);
          } else {
            const volatile float moved = q + static_cast<float>(u);
            c = static_cast<int>(f.stochastic ? std::floor(moved) : std::nearbyint(q));
            c = std::clamp(c, static_cast<int>(-top), static_cast<int>(top));
            decoded = c;
          }
          const volatile float rounded = static_cast<float>(decoded) * scale;
          decoded = static_cast<double>(rounded);
        }
        if (!finite) decoded = std::numeric_limits<double>::quiet_NaN();
        if (f.code != wire_code::int4)
          put(codes, static_cast<std::uint64_t>(c), 1);
        else if (e % 2 == 0)
          put(codes, static_cast<std::uint64_t>(c & 15), 1);
        else
          codes.back() |= static_cast<std::byte>((c & 15) << 4);
      }
      out.decoded.push_back(decoded);
    }
  }
  out.bytes.insert(out.bytes.end(), codes.begin(), codes.end());
  while (out.bytes.size() % 4 != 0) out.bytes.push_back({});
  return out;
}

/// Numbers of very different size, ties, zeros of both signs, denormals; row r of a kind of its
/// own.
inline std::vector<float> difficult(index_t n, index_t kind) {
  auto x = normals<float>(n, static_cast<std::uint64_t>(50 + kind));
  for (index_t i = 0; i < n; ++i) {
    float& v = x[at(i)];
    switch (kind % 8) {
      case 0:
        break;
      case 1:
        v = v / (0.1f + x[at((i + 1) % n)] * x[at((i + 1) % n)]);
        break;  // heavy tails
      case 2:
        v = i == n / 2 ? 1e30f : v * 1e-6f;
        break;  // one giant
      case 3:
        v = static_cast<float>(i % 29 - 14) / 2;
        break;  // ties
      case 4:
        v = i % 3 ? -0.0f : 0.0f;
        break;
      case 5:
        v *= 1e-40f;
        break;  // denormals: a zero block
      case 6:
        v = std::ldexp(v, static_cast<int>(i % 100) - 90);
        break;
      default:
        v = i % 5 ? 0 : v * 1e36f;
        break;
    }
  }
  return x;
}

inline std::vector<wire_format> wire_formats() {
  std::vector<wire_format> out = {{.code = wire_code::f32}};
  for (const wire_code c : {wire_code::bf16, wire_code::fp8, wire_code::int8, wire_code::int4})
    for (const index_t block : {2, 30, 256, 1000})
      for (const bool stochastic : {false, true})
        out.push_back({.code = c, .block = block, .stochastic = stochastic});
  return out;
}

template <class Ctx, class T>
std::vector<std::byte> wire_bytes(Ctx& ctx, const wire_format& f, view<const T, 2> x,
                                  view<T, 2> residual, const dsr1::random_stream& random,
                                  std::uint64_t first) {
  // One byte of somebody else before, between and behind the rows; and no alignment.
  const index_t width = f.bytes(x.columns());
  const dsr1::workspace::scope scope(ctx.workspace());
  const device_vector<Ctx, std::byte> there(
      ctx, std::vector<std::byte>(at(x.rows() * (width + 1) + 1), std::byte{0xee}));
  view<std::byte, 2> to(there.out().data + 1, x.rows(), width);
  to.stride = width + 1;
  Ctx::backend::wire_pack(ctx, f, x, residual, random, first, to);
  const auto all = there.host();
  std::vector<std::byte> out;
  for (index_t r = 0; r < x.rows(); ++r) {
    const auto row = all.begin() + 1 + r * (width + 1);
    out.insert(out.end(), row, row + width);
    REQUIRE(row[-1] == std::byte{0xee});
    REQUIRE(row[width] == std::byte{0xee});
  }
  return out;
}

/// Packing with and without residual and unpacking, against the oracle, byte by byte.
template <class T, class Ctx>
void wire(Ctx& ctx) {
  const dsr1::random_stream random(7, 9);
  constexpr index_t rows = 8;
  for (const wire_format& f : wire_formats())
    for (const index_t n : {1, 15, 16, 33, 127, 129, 256, 700}) {
      ctx.workspace().reset();
      const std::string what = dsr1::text(f.text(), ", block ", f.block, ", ", n, " numbers");
      INFO(what);
      const margin around = margins[n % 2];
      std::vector<T> x, residual;
      std::vector<std::byte> expected;
      std::vector<double> decoded, sums;
      const std::uint64_t first = (std::uint64_t{1} << 32) - 3;  // a carry into the second word
      for (index_t r = 0; r < rows; ++r) {
        const auto row = difficult(n, r);
        std::vector<float> v;
        for (index_t i = 0; i < n; ++i) {
          x.push_back(static_cast<T>(row[at(i)]));
          residual.push_back(static_cast<T>(row[at((i + 5) % n)] / 3));
          const T sum = x.back() + residual.back();
          sums.push_back(static_cast<double>(sum));
          v.push_back(static_cast<float>(sum));
        }
        const auto one =
            wire_oracle(f, v, random, first + static_cast<std::uint64_t>(r) * f.draws(n));
        expected.insert(expected.end(), one.bytes.begin(), one.bytes.end());
        decoded.insert(decoded.end(), one.decoded.begin(), one.decoded.end());
      }
      const device_matrix<Ctx, T> a(ctx, rows, n, x, around), error(ctx, rows, n, residual, around);
      const auto bytes = wire_bytes<Ctx, T>(ctx, f, a.in(), error.out(), random, first);
      check_same(bytes, expected, what);
      const device_matrix<Ctx, T> y(ctx, rows, n, around), z(ctx, rows, n, x, around);
      const device_vector<Ctx, std::byte> there(ctx, bytes);
      const auto coded = there.in().reshaped(rows, f.bytes(n));
      Ctx::backend::wire_unpack(ctx, f, coded, y.out());
      Ctx::backend::wire_unpack_add(ctx, f, coded, z.out());
      const auto left = error.host(), plain = y.host(), added = z.host();
      for (std::size_t i = 0; i < decoded.size(); ++i) {
        const T d = static_cast<T>(decoded[i]);
        CAPTURE(i, x[i], residual[i], d, plain[i]);
        if (!(plain[i] == d && added[i] == x[i] + d)) REQUIRE(false);
        if (!(left[i] == static_cast<T>(sums[i]) - d)) REQUIRE(false);
      }
      // Without a residual the same as with one of zeros (-0: it changes not even -0).
      const device_matrix<Ctx, T> zeros(ctx, rows, n, std::vector<T>(x.size(), T(-0.0)));
      const auto with = wire_bytes<Ctx, T>(ctx, f, a.in(), zeros.out(), random, first);
      REQUIRE(wire_bytes<Ctx, T>(ctx, f, a.in(), view<T, 2>(), random, first) == with);
    }
}

/// A number that is not finite marks its block, and no other.
template <class T, class Ctx>
void wire_not_finite(Ctx& ctx) {
  const T infinity = std::numeric_limits<T>::infinity(), zero = 0;
  for (const wire_format& f : wire_formats())
    for (const T bad : {std::numeric_limits<T>::quiet_NaN(), infinity, -infinity, T(0x1p127f)}) {
      ctx.workspace().reset();
      std::vector<T> x(700, T(1));
      x[517] = bad;
      const device_matrix<Ctx, T> a(ctx, 1, 700, x), e(ctx, 1, 700, std::vector<T>(700, T(0.25)));
      const auto bytes = wire_bytes<Ctx, T>(ctx, f, a.in(), e.out(), dsr1::random_stream(1), 0);
      const device_matrix<Ctx, T> y(ctx, 1, 700);
      const device_vector<Ctx, std::byte> there(ctx, bytes);
      Ctx::backend::wire_unpack(ctx, f, there.in().reshaped(1, f.bytes(700)), y.out());
      const auto decoded = y.host(), residual = e.host();
      const index_t block = f.scaled() ? f.block : 1;
      for (index_t i = 0; i < 700; ++i) {
        const bool marked = i / block == 517 / block;
        CAPTURE(f.text(), f.block, i, bad);
        if (marked && f.scaled() && !(std::isnan(decoded[at(i)]) && residual[at(i)] == T(0.25)))
          REQUIRE(false);
        if (!marked && !std::isfinite(decoded[at(i)])) REQUIRE(false);
      }
      CHECK(Ctx::backend::first_not_finite(ctx, a.row()) == 517);
      if (f.scaled())  // the scale of the block is the NaN that the specification names
        for (int i = 0; i < 4; ++i)
          CHECK(bytes[at(517 / f.block * 4 + i)] ==
                static_cast<std::byte>(0x7fc00000u >> 8 * i & 255));
    }
  for (const index_t n : {0, 1, 17, 40'000, 200'000}) {
    const device_vector<Ctx, T> v(ctx, std::vector<T>(at(n), T(-3)));
    CHECK(Ctx::backend::first_not_finite(ctx, v.in()) == -1);
    for (const index_t i : {index_t{0}, n / 3, n - 1})
      if (i >= 0 && i < n) {
        Ctx::backend::upload(ctx, &infinity, v.out().slice_rows(i, 1));
        CHECK(Ctx::backend::first_not_finite(ctx, v.in()) == i);
        Ctx::backend::upload(ctx, &zero, v.out().slice_rows(i, 1));
      }
  }
}

template <class T, class Ctx>
void wire_errors(Ctx& ctx) {
  ctx.workspace().reset();
  const wire_format f{.code = wire_code::int8};
  const device_matrix<Ctx, T> x(ctx, 2, 300), r(ctx, 2, 299);
  std::vector<std::byte> bytes(2 * 308);
  const view<std::byte, 2> fits(bytes.data(), 2, 308), narrow(bytes.data(), 2, 307);
  const auto pack = [&](const wire_format& format, view<T, 2> residual, view<std::byte, 2> to) {
    return message_of([&] {
      Ctx::backend::wire_pack(ctx, format, x.in(), residual, dsr1::random_stream(1), 0, to);
    });
  };
  CHECK(mentions(pack(f, {}, narrow), "wire_pack of [2, 300]", "int8, blocks of 256", "[2, 307]",
                 "expected [2, 308]"));
  CHECK(mentions(pack(f, r.out(), fits), "residual is [2, 299]", "expected [2, 300]"));
  CHECK(mentions(pack({.code = wire_code::int8, .block = 255}, {}, fits), "block of 255",
                 "expected an even number"));
  CHECK(mentions(pack({.code = wire_code::f32, .stochastic = true}, {}, fits), "f32 is exact"));
  const view<const std::byte, 2> from = narrow;
  CHECK(mentions(message_of([&] { Ctx::backend::wire_unpack(ctx, f, from, x.out()); }),
                 "wire_unpack of [2, 300]", "expected [2, 308]"));
  CHECK(mentions(message_of([&] { Ctx::backend::wire_unpack_add(ctx, f, from, x.out()); }),
                 "wire_unpack_add of [2, 300]"));
}

}  // namespace battery
