// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// The tensor core's product and its numbers. On a device this holds our idea of which lane has what
// against the instruction.

#include <limits>

#include "battery/device.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/launch.cuh>
#include <dsr1/cuda/mma.cuh>

using namespace dsr1;

namespace {

using context_type = context<cuda_part<cuda_tensor>>;

__global__ void pairs(view<const float, 1> x, view<std::int32_t, 1> y) {
  if (const index_t i = thread_number(); i < y.rows())
    y[i] = std::bit_cast<std::int32_t>(bf16_pair(x[2 * i], x[2 * i + 1]));
}

/// c += a b of whole matrices, a [16, 16], b [16, 8].
__global__ void one_mma(view<const float, 2> a, view<const float, 2> b, view<float, 2> c) {
  const int g = lane_number() / 4, t = lane_number() % 4;
  mma_left left;
  mma_right right;
  float sum[4];
  for (int i = 0; i < 4; ++i) {
    const int row = g + i % 2 * 8, column = 2 * t + i / 2 * 8;
    left.pair[i] = bf16_pair(a(row, column), a(row, column + 1));
    sum[i] = c(g + i / 2 * 8, 2 * t + i % 2);
  }
  for (int i = 0; i < 2; ++i)
    right.pair[i] = bf16_pair(b(2 * t + 8 * i, g), b(2 * t + 8 * i + 1, g));
  mma(left, right, sum);
  for (int i = 0; i < 4; ++i) c(g + i / 2 * 8, 2 * t + i % 2) = sum[i];
}

}  // namespace

TEST_CASE("cuda mma: two numbers are rounded to nearest, ties to even", "[cuda]") {
  context_type ctx;
  constexpr float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> in = {1,     0x1.01p0f,   0x1.03p0f,       -0x1.010002p0f,
                                 -0.0f, 0x1p-133f,   0x1p-140f,       inf,
                                 -inf,  0x1.ffp127f, 0x1.fefffep127f, 3};
  const auto some = battery::normals<float>(500, 1);
  std::vector<float> all = in;
  all.insert(all.end(), some.begin(), some.end());
  all.push_back(std::numeric_limits<float>::quiet_NaN());
  all.push_back(1);
  const battery::device_vector<context_type, float> x(ctx, all);
  const auto count = static_cast<index_t>(all.size() / 2);
  const battery::device_vector<context_type, std::int32_t> y(ctx, count);
  launch_each(ctx, "pairs", count, pairs, x.in(), y.out());
  const auto out = y.host();
  std::vector<unsigned> bits;
  for (const std::int32_t pair : out) {
    bits.push_back(static_cast<unsigned>(pair) & 0xffffu);
    bits.push_back(static_cast<unsigned>(pair) >> 16);
  }
  const std::vector<unsigned> expected = {0x3f80, 0x3f80, 0x3f82, 0xbf81, 0x8000, 0x0001,
                                          0,      0x7f80, 0xff80, 0x7f80, 0x7f7f, 0x4040};
  CHECK(std::vector<unsigned>(bits.begin(), bits.begin() + 12) == expected);
  for (std::size_t i = 0; i + 2 < all.size(); ++i) REQUIRE(bits[i] == bf16(all[i]).bits);
  CHECK(bits[all.size() - 2] == 0x7fff);
  CHECK(bits.back() == 0x3f80);
}

TEST_CASE("cuda mma: a tile is what a loop makes of it", "[cuda]") {
  context_type ctx;
  const auto a = battery::normals<float>(16 * 16, 1), b = battery::normals<float>(16 * 8, 2),
             c = battery::normals<float>(16 * 8, 3);
  const battery::device_matrix<context_type, float> x(ctx, 16, 16, a), y(ctx, 16, 8, b),
      z(ctx, 16, 8, c);
  launch(ctx, "one_mma", 1, warp_size, one_mma, x.in(), y.in(), z.out());
  const auto value = [](float f) { return static_cast<double>(static_cast<float>(bf16(f))); };
  std::vector<double> expected;
  for (std::size_t i = 0; i < 16; ++i)
    for (std::size_t j = 0; j < 8; ++j) {
      double sum = static_cast<double>(c[i * 8 + j]);
      for (std::size_t p = 0; p < 16; ++p) sum += value(a[i * 16 + p]) * value(b[p * 8 + j]);
      expected.push_back(sum);
    }
  battery::check_close(z.host(), expected, "c + a b");
}
