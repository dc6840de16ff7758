// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Which device a context takes, and what it says of one that it cannot have. The cases that need a
// device of another kind run on the host only, where the device is played.

#include "battery/device.hpp"
#include "cuda/backend.hpp"

using namespace dsr1;

namespace {

using part = cuda_part<cuda_tensor>;

}  // namespace

TEST_CASE("cuda device: a device that is not there is named, with those that are", "[cuda]") {
  CHECK(
      mentions(message_of([] { context<part> c({.device = -1}); }), "device -1", "expected 0 to"));
  CHECK(
      mentions(message_of([] { context<part> c({.device = 99}); }), "device 99", "expected 0 to"));
}

TEST_CASE("cuda device: activations of 8 bits are refused", "[cuda]") {
  CHECK(mentions(message_of([] { context<part> c({.activations = activation_type::int8}); }),
                 "activations int8", "expected exact"));
}

TEST_CASE("cuda device: more memory than there is: what was asked for and what is free", "[cuda]") {
  context<part> ctx;
  const auto said = message_of([&] { ctx.take<float>(index_t{1} << 44); });
  CHECK(mentions(said, "out of memory", "70368744177664 bytes asked for", "are free"));
  CHECK(mentions(said, "CUDA device 0"));
  const battery::device_vector<context<part>, float> still(ctx, std::vector<float>{1, 2});
  CHECK(still.host() == std::vector<float>{1, 2});
}

#if defined(DSR1_HOST_CUDA)

TEST_CASE("cuda device: none, or one too old") {
  const host_cuda::restored played(host_cuda::facts());
  host_cuda::facts().devices = 0;
  CHECK(mentions(message_of([] { context<part> c; }), "no CUDA device", "no CUDA-capable device"));
  host_cuda::facts().devices = 1;
  host_cuda::facts().major = 7;
  host_cuda::facts().minor = 5;
  CHECK(mentions(message_of([] { context<part> c; }), "compute capability 7.5", "expected 8.0"));
}

TEST_CASE("cuda device: everything that was allocated is given back") {
  const std::size_t before = host_cuda::device_memory::instance().used();
  {
    context<part> ctx;
    ctx.take<float>(1000);
    const buffer<double> own(77, ctx.memory());
    CHECK(host_cuda::device_memory::instance().used() > before);
  }
  CHECK(host_cuda::device_memory::instance().used() == before);
}

TEST_CASE("cuda device: an error of a kernel names the operation when each is waited for") {
  const host_cuda::restored played(host_cuda::facts());
  for (const bool each : {false, true}) {
    context<part> ctx({.wait_for_each = each});
    const auto x = ctx.take<float>(4);
    std::vector<float> out(4);
    host_cuda::facts().pending = cudaErrorLaunchFailure;
    const auto said = message_of([&] {
      part::fill(ctx, x, 1);
      part::download(ctx, view<const float, 1>(x), out.data());
    });
    CHECK(mentions(said, each ? "fill failed" : "download failed", "unspecified launch failure"));
  }
}

#endif
