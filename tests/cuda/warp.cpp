// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Sums and maxima over lanes and threads.

#include "battery/device.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/launch.cuh>
#include <dsr1/cuda/warp.cuh>

using namespace dsr1;

namespace {

__global__ void sums(view<const double, 1> x, view<double, 1> of_warp, view<double, 1> of_block,
                     view<double, 1> top) {
  const index_t i = thread_number();
  of_warp[i] = warp_reduce(x[i]);
  of_block[i] = block_reduce<96>(x[i]);
  top[i] = block_reduce<96>(x[i], larger());
}

}  // namespace

TEST_CASE("cuda warp: every lane and thread gets the same sum and maximum", "[cuda]") {
  context<cuda_part<cuda_tensor>> ctx;
  const auto values = battery::normals<double>(192, 1);
  const battery::device_vector<decltype(ctx), double> x(ctx, values), warps(ctx, 192),
      blocks(ctx, 192), top(ctx, 192);
  launch(ctx, "sums", 2, 96, sums, x.in(), warps.out(), blocks.out(), top.out());
  const auto w = warps.host(), b = blocks.host(), t = top.host();
  for (std::size_t first = 0; first < 192; first += 96) {
    double sum = 0, most = values[first];
    for (std::size_t warp = first; warp < first + 96; warp += 32) {
      double of_warp = 0;
      for (std::size_t i = warp; i < warp + 32; ++i) {
        of_warp += values[i];
        most = std::max(most, values[i]);
        CHECK(w[i] == w[warp]);
        CHECK(b[i] == b[first]);
      }
      CHECK(w[warp] == Approx(of_warp).margin(1e-12));
      sum += of_warp;
    }
    CHECK(b[first] == Approx(sum).margin(1e-12));
    CHECK(std::count(t.begin() + static_cast<long>(first),
                     t.begin() + static_cast<long>(first) + 96, most) == 96);
  }
}
