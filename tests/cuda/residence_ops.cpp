// SPDX-FileCopyrightText: The dsr1 authors
// SPDX-License-Identifier: Apache-2.0
// Where codes lie, on a CUDA device.

#include "battery/residence_ops.hpp"
#include "cuda/backend.hpp"

#include <dsr1/cuda/quant_ops.cuh>

using namespace dsr1;

using backend = cuda_part<cuda_quant, cuda_residence>;
using ctx_type = context<backend>;
static_assert(residence_ops<ctx_type>);

namespace {

/// Whether the device of the context reads pages of the host.
bool reads_pages(ctx_type& ctx) {
  int yes = 0;
  check(cudaDeviceGetAttribute(&yes, cudaDevAttrPageableMemoryAccess, ctx.device().number()),
        "cudaDeviceGetAttribute");
  return yes != 0;
}

}  // namespace

TEST_CASE("cuda residence_ops: the bits do not depend on where codes lie", "[cuda]") {
  ctx_type ctx;
  battery::residences_are_equal<float>(ctx, reads_pages(ctx));
}

TEST_CASE("cuda residence_ops: codes are read where they are said to lie", "[cuda]") {
  ctx_type ctx;
  battery::codes_are_read_at<float>(ctx, reads_pages(ctx));
}

TEST_CASE("cuda residence_ops: a copy that is there is not copied again, changed parts are refused",
          "[cuda]") {
  ctx_type ctx;
  const auto w = battery::in_parts(battery::weights(coding::mxfp4, 3, 6, 64), 2, true);
  const coded_tensor there = backend::resident(ctx, w);
  CHECK(there.owners.size() == 2);
  CHECK(there.parts.size() == w.parts.size());
  CHECK(there.text() == w.text());
  CHECK(there.bytes() == w.bytes());
  const coded_tensor again = backend::resident(ctx, there);
  CHECK(again.parts[5].scales == there.parts[5].scales);
  coded_tensor fewer = there;
  fewer.matrices = 1;
  fewer.parts.resize(2);
  CHECK(mentions(message_of([&] { table_owner(fewer, 0); }), "mxfp4 [6, 64]", "resident"));
  CHECK(mentions(message_of([&] { table_owner(w, 0); }), "host memory", "resident"));
  CHECK(mentions(message_of([&] { table_owner(there, 1); }), "CUDA device 0", "expected 1"));
}

TEST_CASE("cuda residence_ops: rows of a file that are not aligned are read, such scales refused",
          "[cuda]") {
  ctx_type ctx;
  if (!reads_pages(ctx)) {
    SUCCEED("skipped: the device cannot read pages of the host");
    return;
  }
  for (const coding type : {coding::mxfp4, coding::int8}) {
    const auto w = battery::weights(type, 3, 6, 64);
    const auto memory =
        std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(2 * w.bytes()));
    coded_tensor shifted = w;
    std::byte* to = memory->data() + 1;
    for (coded_part& p : shifted.parts) {
      std::byte* const end = std::copy_n(p.codes, w.code_bytes(p), to);
      p.codes = std::exchange(to, end);
    }
    shifted.owners.push_back(memory);
    battery::check_same(
        battery::product_of<float>(ctx, backend::resident(ctx, shifted, residence::file)),
        battery::product_of<float>(ctx, backend::resident(ctx, w)), w.text());
    for (coded_part& p : shifted.parts) p.scales += 1;
    if (type == coding::int8)
      CHECK(mentions(message_of([&] { backend::resident(ctx, shifted, residence::file); }),
                     "int8 [3, 6, 64]", "not aligned to 2 bytes", "device or host"));
  }
}

#if defined(DSR1_HOST_CUDA)

TEST_CASE("cuda residence_ops: late copies are not read before they are there") {
  const host_cuda::restored played(host_cuda::facts());
  host_cuda::facts().late = 3;
  ctx_type ctx;
  battery::codes_are_read_at<float>(ctx);
}

TEST_CASE("cuda residence_ops: a copy is done when it is, and waited for at its end") {
  const host_cuda::restored played(host_cuda::facts());
  host_cuda::facts().late = 2;
  ctx_type ctx;
  const std::vector<std::byte> from(8, std::byte{5});
  const buffer<std::byte> to(8, ctx.memory());
  const code_copy list[] = {{const_cast<std::byte*>(to.data()), from.data(), 8}};
  const auto arrived = [&] {
    std::vector<std::byte> host(8);
    backend::download(ctx, view<const std::byte, 1>(to.data(), index_t{8}), host.data());
    return host == from;
  };
  {
    auto first = backend::copy_aside(ctx, list);
    CHECK_FALSE(first.done());
    CHECK_FALSE(arrived());
    CHECK_FALSE(first.done());
    CHECK(first.done());
    CHECK(arrived());
  }
  const std::vector<std::byte> other(8, std::byte{6});
  const code_copy more[] = {{const_cast<std::byte*>(to.data()), other.data(), 8}};
  { const auto second = backend::copy_aside(ctx, more); }
  CHECK_FALSE(arrived());
}

TEST_CASE("cuda residence_ops: a device that cannot read pages of the host refuses a file") {
  const host_cuda::restored played(host_cuda::facts());
  host_cuda::facts().reads_pages = 0;
  ctx_type ctx;
  const auto w = battery::weights(coding::mxfp4, 3, 6, 64);
  CHECK(mentions(message_of([&] { backend::resident(ctx, w, residence::file); }),
                 "cannot read pages of the host", "mxfp4 [3, 6, 64]", "device or host"));
}

TEST_CASE("cuda residence_ops: the last owner frees the copy, also after its context") {
  const std::size_t before = host_cuda::device_memory::instance().used();
  coded_tensor kept;
  {
    ctx_type ctx;
    const long long allocations = host_cuda::facts().allocations;
    kept = backend::resident(ctx, battery::weights(coding::int8, 4, 6, 33));
    CHECK(host_cuda::facts().allocations == allocations + 2);
  }
  CHECK(host_cuda::device_memory::instance().used() >=
        before + static_cast<std::size_t>(kept.bytes()));
  kept = coded_tensor();
  CHECK(host_cuda::device_memory::instance().used() == before);
}

#endif
