// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// How kernels start, and what the host that plays a device makes of wrong ones.

#include "battery/device.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/launch.cuh>
#include <dsr1/cuda/warp.cuh>

using namespace dsr1;

namespace {

using part = cuda_part<cuda_tensor>;

// [each]
__global__ void numbers(view<index_t, 1> x) {
  if (const index_t i = thread_number(); i < x.rows()) x[i] = i;
}
// [/each]

// [barrier]
/// Each thread reads what its mirror image wrote; wrong without the barrier.
__global__ void mirrored(view<int, 1> x, int first, bool barrier) {
  __shared__ int kept[64];
  kept[threadIdx.x] = first + static_cast<int>(threadIdx.x);
  if (barrier) __syncthreads();
  x[threadIdx.x] = kept[63 - threadIdx.x];
}
// [/barrier]

__global__ void half_a_barrier() {
  if (threadIdx.x < 32) __syncthreads();
}
__global__ void half_a_warp() {
  if (threadIdx.x < 16) __syncwarp();
}
__global__ void half_a_mask() { __syncwarp(0xffffu); }

}  // namespace

TEST_CASE("cuda launch: every element has one thread, and nothing runs for none", "[cuda]") {
  context<part> ctx;
  // [run]
  for (const index_t n : {0, 1, 255, 256, 257, 5000}) {
    const battery::device_vector<context<part>, index_t> x(ctx, n);
    launch_each(ctx, "numbers", n, numbers, x.out());
    const auto host = x.host();
    for (index_t i = 0; i < n; ++i) REQUIRE(host[static_cast<std::size_t>(i)] == i);
  }
  // [/run]
}

TEST_CASE("cuda launch: shared memory and barriers", "[cuda]") {
  context<part> ctx;
  const battery::device_vector<context<part>, int> x(ctx, 64);
  for (int round = 0; round < 2; ++round) {
    launch(ctx, "mirrored", 1, 64, mirrored, x.out(), round, true);
    const auto host = x.host();
    for (std::size_t i = 0; i < 64; ++i) CHECK(host[i] == round + 63 - static_cast<int>(i));
  }
}

TEST_CASE("cuda launch: a host array is copied at once, and errors name the operation", "[cuda]") {
  context<part> ctx;
  std::vector<index_t> host = {3, 5, 7};
  const auto there = on_device(ctx, std::span<const index_t>(host));
  host.assign(3, 0);
  std::vector<index_t> back(3);
  part::download(ctx, there, back.data());
  CHECK(back == std::vector<index_t>{3, 5, 7});
  CHECK(mentions(
      message_of([&] { launch(ctx, "huge", index_t{1} << 31, 32, numbers, view<index_t, 1>()); }),
      "huge", "2147483648 blocks"));
  CHECK(mentions(message_of([&] { launch(ctx, "wide", 1, 2048, numbers, view<index_t, 1>()); }),
                 "wide failed", "invalid"));
}

#if defined(DSR1_HOST_CUDA)

TEST_CASE("cuda launch: the played device finds what a device would not forgive") {
  context<part> ctx;
  const battery::device_vector<context<part>, int> x(ctx, 64);
  bool wrong = false;
  for (int round = 0; round < 2; ++round) {
    launch(ctx, "mirrored", 1, 64, mirrored, x.out(), 10 * round, false);
    const auto host = x.host();
    for (std::size_t i = 0; i < 64; ++i)
      wrong = wrong || host[i] != 10 * round + 63 - static_cast<int>(i);
  }
  CHECK(wrong);
  // [misuse]
  const auto run = [&](void (*kernel)()) { launch(ctx, "wrong", 1, 64, kernel); };
  CHECK_THROWS_AS(run(half_a_barrier), host_cuda::misuse);
  CHECK_THROWS_AS(run(half_a_warp), host_cuda::misuse);
  CHECK_THROWS_AS(run(half_a_mask), host_cuda::misuse);
  // [/misuse]
  launch(ctx, "mirrored", 1, 64, mirrored, x.out(), 0, true);  // goes on after a wrong one
  std::vector<int> host(64);
  CHECK(mentions(message_of([&] { part::upload(ctx, host.data(), view<int, 1>(host.data(), 64)); }),
                 "upload failed", "invalid argument"));
}

#endif
