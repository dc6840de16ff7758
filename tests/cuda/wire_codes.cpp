// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// How numbers on the wire are dealt to threads, at any address; and what becomes of NaNs.

#include <limits>

#include "battery/device.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/wire_codes.cuh>

using namespace dsr1;
using namespace dsr1::cuda_kernels;
using battery::at;
using battery::device_matrix;
using battery::device_vector;

namespace {

using part = cuda_part<cuda_tensor>;

/// Adds one to every number that a thread has, and writes its block and place there.
__global__ void dealt(wire_deal d, view<index_t, 2> times, view<index_t, 2> block) {
  const wire_part p(d, thread_number());
  for (int i = 0; i < p.count; ++i) {
    times(p.row, p.column + i) += 1;
    block(p.row, p.column + i) = p.block * 1'000'000 + p.at + i;
  }
}

template <class T>
__global__ void moved(view<const T, 1> from, int count, view<T, 1> to) {
  T v[wire_each];
  wire_load(from.data, count, v);
  wire_store(to.data, count, v);
}

__global__ void moved_bytes(const std::byte* from, int bytes, std::byte* to) {
  std::uint32_t words[4];
  wire_load_bytes(from, bytes, words);
  wire_store_bytes(to, bytes, words);
}

template <class T>
__global__ void sums(view<const T, 1> x, view<const T, 1> y, view<float, 1> sum) {
  if (const index_t i = thread_number(); i < x.rows()) sum[i] = wire_float(wire_sum(x[i], y[i]));
}

}  // namespace

TEST_CASE("cuda wire_codes: every number has one thread, which knows its block", "[cuda]") {
  context<part> ctx;
  for (const index_t block : {2, 6, 30, 32, 100, 128, 130, 256, 258, 1000, 1 << 24})
    for (const index_t n : {0, 1, 7, 8, 129, 256, 700, 2049}) {
      ctx.workspace().reset();
      const wire_deal d({.code = wire_code::int8, .block = block}, 3, n);
      const device_matrix<decltype(ctx), index_t> times(ctx, 3, n, std::vector<index_t>(at(3 * n))),
          place(ctx, 3, n);
      launch_each(ctx, "dealt", d.threads(), dealt, d, times.out(), place.out());
      CAPTURE(block, n);
      const auto count = times.host(), where = place.host();
      bool right = true;
      for (index_t i = 0; i < 3 * n; ++i)
        right =
            right && count[at(i)] == 1 && where[at(i)] == i % n / block * 1'000'000 + i % n % block;
      CHECK(right);
    }
}

TEMPLATE_TEST_CASE("cuda wire_codes: some of eight numbers, at any address", "[cuda]", float,
                   double) {
  context<part> ctx;
  std::vector<TestType> x(16);
  for (std::size_t i = 0; i < 16; ++i) x[i] = static_cast<TestType>(i + 1);
  for (index_t begin = 0; begin < 5; ++begin)
    for (int count = 0; count <= 8; ++count) {
      ctx.workspace().reset();
      const device_vector<decltype(ctx), TestType> from(ctx, x), to(ctx, 16);
      launch(ctx, "moved", 1, 32, moved<TestType>, from.in().slice_rows(begin, 8), count,
             to.out().slice_rows(begin, 8));
      const auto y = to.host();
      for (index_t i = 0; i < 16; ++i)
        CHECK(y[at(i)] == (i >= begin && i < begin + count ? x[at(i)] : TestType(-77)));
    }
}

TEST_CASE("cuda wire_codes: bytes at any address", "[cuda]") {
  context<part> ctx;
  std::vector<std::byte> x(32);
  for (std::size_t i = 0; i < 32; ++i) x[i] = static_cast<std::byte>(i + 1);
  for (index_t begin = 0; begin < 17; ++begin)
    for (int count = 0; count <= 16 && begin + count <= 32; ++count) {
      ctx.workspace().reset();
      const device_vector<decltype(ctx), std::byte> from(ctx, x),
          to(ctx, std::vector<std::byte>(32));
      launch(ctx, "moved_bytes", 1, 32, moved_bytes, from.in().data + begin, count,
             to.out().data + begin);
      const auto y = to.host();
      for (index_t i = 0; i < 32; ++i)
        CHECK(y[at(i)] == (i >= begin && i < begin + count ? x[at(i)] : std::byte{}));
    }
}

TEST_CASE("cuda wire_codes: NaNs keep sign and payload", "[cuda]") {
  context<part> ctx;
  const auto bits = [](std::uint32_t b) { return std::bit_cast<float>(b); };
  const auto wide = [](std::uint64_t b) { return std::bit_cast<double>(b); };
  const auto as_bits = [](const std::vector<float>& v) {
    std::vector<std::uint32_t> out;
    for (const float f : v) out.push_back(std::bit_cast<std::uint32_t>(f));
    return out;
  };
  const float inf = std::numeric_limits<float>::infinity();
  const device_vector<decltype(ctx), float> sum(ctx, 4);
  const device_vector<decltype(ctx), float> x(ctx, {bits(0xffc12345u), 1, bits(0x7f800001u), inf}),
      y(ctx, {2, bits(0x7fc00042u), 3, -inf});
  launch_each(ctx, "sums", 4, sums<float>, x.in(), y.in(), sum.out());
  CHECK(as_bits(sum.host()) ==
        std::vector<std::uint32_t>{0xffc12345u, 0x7fc00042u, 0x7fc00001u, 0xffc00000u});
  const device_vector<decltype(ctx), double> a(
      ctx, {wide(0xfff8000020000000u), 1, wide(0x7ff0000040000000u), 0.5}),
      b(ctx, {2, wide(0x7fffffffffffffffu), 3, 0.25});
  launch_each(ctx, "sums", 4, sums<double>, a.in(), b.in(), sum.out());
  CHECK(as_bits(sum.host()) ==
        std::vector<std::uint32_t>{0xffc00001u, 0x7fffffffu, 0x7fc00002u, 0x3f400000u});
}
