// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Numbers on the wire on a CUDA device: the bytes of the specification, and those of the CPU.

#include "battery/wire_ops.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/wire_ops.cuh>

using namespace dsr1;
using battery::at;
using battery::device_matrix;
using battery::device_vector;

using backend = cuda_part<cuda_wire>;
static_assert(wire_ops<context<backend>, float> && wire_ops<context<backend>, double>);

TEMPLATE_TEST_CASE("cuda wire_ops: battery", "[cuda]", float, double) {
  context<backend> ctx;
  battery::wire<TestType>(ctx);
  battery::wire_not_finite<TestType>(ctx);
  battery::wire_errors<TestType>(ctx);
}

namespace {

/// Bits without any order, of one kind every 61 numbers; `what` of them are not finite.
template <class T>
std::vector<T> hostile(index_t count, std::uint64_t key, bool what) {
  const random_stream random(key);
  std::vector<T> out;
  for (index_t i = 0; i < count; ++i) {
    const auto kind = random.bits(static_cast<std::uint64_t>(1'000'000 + i / 61)) % 10;
    const auto bits = static_cast<std::uint32_t>(random.bits(static_cast<std::uint64_t>(i)));
    const std::uint32_t sign = bits & 0x80000000u, rest = bits & 0x007fffffu;
    const auto of = [&](std::uint32_t exponent) {
      return std::bit_cast<float>(sign | exponent << 23 | rest);
    };
    float v = 0;
    switch (kind) {
      case 0:  // any size
        v = of(bits >> 8 & 0xff) * 0x1p-2f;
        break;
      case 1:
        v = of(0);  // denormal
        break;
      case 2:
        v = of(253);  // giants: 2^126 and more
        break;
      case 3:
        v = std::bit_cast<float>(sign);
        break;
      case 4:  // halves, which are ties where 127 or 7 is the largest
        v = i % 61 == 30 ? 127 : static_cast<float>(static_cast<int>(bits % 29) - 14) / 2;
        break;
      case 5:
        v = of(27 - bits % 3);  // beside the smallest block that is not zero
        break;
      case 6:
        v = i % 61 == 7 ? 448 : of(110 + (bits >> 9) % 20);  // all of E4M3
        break;
      default:
        v = of(127 - (bits >> 9) % 12);
        break;
    }
    if (!(std::abs(v) < 0x1p127f)) v = 1;
    if (what && i % 397 == 396)
      v = bits % 3 == 0   ? std::bit_cast<float>(sign | 0x7fc00000u | (rest & 0x3fffffu))
          : bits % 3 == 1 ? std::bit_cast<float>(sign | 0x7f800000u)
                          : 0x1.8p127f;
    out.push_back(static_cast<T>(v));
    if constexpr (sizeof(T) == 8)  // bits that no float has
      if (std::isfinite(v)) out.back() *= 1 + static_cast<double>(bits) * 0x1p-60;
  }
  return out;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::memcmp(&a[i], &b[i], sizeof(T)) != 0 && !(std::isnan(a[i]) && std::isnan(b[i])))
      return false;
  return true;
}

/// What packing, unpacking and adding leave.
template <class T>
struct outcome {
  std::vector<std::byte> bytes;
  std::vector<T> residual, plain, added;
};

template <class Ctx, class T>
outcome<T> run(Ctx& ctx, const wire_format& f, const std::vector<T>& x, const std::vector<T>& error,
               index_t rows, index_t n, index_t shift) {
  ctx.workspace().reset();
  const battery::margin around{shift, shift + 1};
  const device_matrix<Ctx, T> a(ctx, rows, n, x, around), e(ctx, rows, n, error, around),
      y(ctx, rows, n, around), z(ctx, rows, n, error, around);
  const index_t width = f.bytes(n);
  const device_vector<Ctx, std::byte> there(
      ctx, std::vector<std::byte>(at(shift + rows * width + 9), std::byte{0xee}));
  const view<std::byte, 2> bytes(there.out().data + shift, rows, width);
  Ctx::backend::wire_pack(ctx, f, a.in(), e.out(), random_stream(3, 4), 77, bytes);
  Ctx::backend::wire_unpack(ctx, f, view<const std::byte, 2>(bytes), y.out());
  Ctx::backend::wire_unpack_add(ctx, f, view<const std::byte, 2>(bytes), z.out());
  return {there.host(), e.host(), y.host(), z.host()};
}

template <class T>
void compare(const wire_format& f, index_t rows, index_t n, index_t shift, bool what) {
  static context<cpu> here({.threads = 1});
  static context<backend> there;
  CAPTURE(f.text(), f.block, rows, n, shift, what);
  const auto x = hostile<T>(rows * n, 1 + static_cast<std::uint64_t>(n), what);
  auto error = hostile<T>(rows * n, 2, false);
  for (std::size_t i = 0; i < error.size(); ++i)  // most are small beside the number
    if (i % 7 != 0) error[i] = x[i] * static_cast<T>(0.001);
  for (std::size_t i = 0; i < error.size(); ++i)
    if (!std::isfinite(x[i])) error[i] = 1;
  const auto expected = run(here, f, x, error, rows, n, shift);
  const auto found = run(there, f, x, error, rows, n, shift);
  CHECK(found.bytes == expected.bytes);
  CHECK(same_bits(found.residual, expected.residual));
  CHECK(same_bits(found.plain, expected.plain));
  CHECK(same_bits(found.added, expected.added));
}

}  // namespace

TEMPLATE_TEST_CASE("cuda wire_ops: the CPU's bytes of hostile numbers", "[cuda]", float, double) {
  for (const wire_code c :
       {wire_code::f32, wire_code::bf16, wire_code::fp8, wire_code::int8, wire_code::int4})
    for (const bool stochastic : {false, true}) {
      if (stochastic && c == wire_code::f32) continue;
      for (const index_t block : {8, 64, 122, 128, 256})
        compare<TestType>({.code = c, .block = block, .stochastic = stochastic}, 3, 1021, block % 5,
                          block == 128);
      for (index_t shift = 0; shift < 8; ++shift)  // with whole rows of blocks
        compare<TestType>({.code = c, .stochastic = stochastic}, 2, 1024, shift, shift % 2 == 1);
    }
}

TEMPLATE_TEST_CASE("cuda wire_ops: blocks of more numbers than a warp holds", "[cuda]", float,
                   double) {
  for (const wire_code c : {wire_code::bf16, wire_code::fp8, wire_code::int8, wire_code::int4})
    for (const bool stochastic : {false, true})
      for (const index_t block : {258, 4096, 5000, 1 << 24})
        compare<TestType>({.code = c, .block = block, .stochastic = stochastic}, 2, 9'999, 4,
                          block == 5000);
}

TEMPLATE_TEST_CASE("cuda wire_ops: no numbers", "[cuda]", float, double) {
  for (const wire_code c : {wire_code::f32, wire_code::int4}) {
    compare<TestType>({.code = c}, 3, 0, 0, false);
    compare<TestType>({.code = c}, 0, 5, 0, false);
  }
}

TEMPLATE_TEST_CASE("cuda wire_ops: the first of many that are not finite", "[cuda]", float,
                   double) {
  context<backend> ctx;
  auto x = hostile<TestType>(5000, 9, false);
  for (std::size_t first : {4999, 4998, 3001, 1024, 1023, 33, 8, 7, 0}) {
    ctx.workspace().reset();
    for (std::size_t i = first; i < x.size(); i += 31)
      x[i] = std::numeric_limits<TestType>::infinity();
    const device_vector<decltype(ctx), TestType> v(ctx, x);
    CHECK(backend::first_not_finite(ctx, v.in()) == static_cast<index_t>(first));
    CHECK(backend::first_not_finite(ctx, v.in().slice_rows(0, static_cast<index_t>(first))) == -1);
    const index_t inside = first > 1 ? 1 : 0;
    CHECK(backend::first_not_finite(ctx, v.in().slice_rows(inside, 5000 - inside)) ==
          static_cast<index_t>(first) - inside);
  }
}
